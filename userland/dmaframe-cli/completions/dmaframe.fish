# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dmaframe_global_optspecs
    string join \n v/verbose q/quiet h/help V/version
end

function __fish_dmaframe_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dmaframe_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dmaframe_using_subcommand
    set -l cmd (__fish_dmaframe_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dmaframe -n "__fish_dmaframe_needs_command" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -s V -l version -d 'Print version'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "list" -d 'List all devices, one a line'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "info" -d 'Show a device: its engine, limits, sources, settings and owner'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "stream" -d 'Stream frames: count, verify or write them, until Ctrl-C or --frames'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "record" -d 'Record frames to a file that other tools open'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "convert" -d 'Convert a recording to another format'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "replay" -d 'Give the frames of a recording as a device gives them, at the pace of the recording'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "get" -d 'Show the attributes of a device, which may be in use'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "set" -d 'Change a device\'s settings, which streams use unless their program asks for something else'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "monitor" -d 'Print the events of all devices, one a line, until Ctrl-C'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "top" -d 'Show the traffic of all devices, again and again, until q or Ctrl-C'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "scope" -d 'Look at a signal in the terminal: pins as logic levels, words as a waveform'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "plot" -d 'Draw a file of payloads as an SVG or PNG picture'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "report" -d 'Write one file that describes this board and its devices'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "trace" -d 'Show what the driver does, step by step'
complete -c dmaframe -n "__fish_dmaframe_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand list" -l json -d 'Print a JSON array with an object for each device'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand list" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand list" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand info" -l device -d 'Device: N, dmaframeN, or the path of its node' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand info" -l json -d 'Print one JSON object'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand info" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand info" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l device -d 'Device: N, dmaframeN, or the path of its node' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l source -d 'Name of the source; `dmaframe info` lists them' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l frame-bytes -d 'Payload of a frame in bytes: a multiple of 4; K and M are units' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l slots -d 'Slots of the ring: a power of two' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l policy -d 'When no slot is free: backpressure (the engine waits) or drop (frames are lost and counted)' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l interval-us -d 'Microseconds from one frame to the next; 0 is as fast as the engine runs' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l frames -d 'End after this many frames; 0 runs until Ctrl-C' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l output -d 'Write the payloads, one after the other, to FILE; - is standard output, and moves the summary to standard error' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l hold-us -d 'Hold each frame for this many microseconds, as a slow reader does' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l verify -d 'Verify the payload too: every byte of pattern, the order of the words of systimer'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l stats -d 'Print a line on standard error every second: rates, time from publication to reader, and mean fill of the ring'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -l json -d 'Print the summary as a JSON object, with the duration and the driver\'s counters, and the rates of --stats as one object a line'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand stream" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l device -d 'Device: N, dmaframeN, or the path of its node' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l source -d 'Name of the source; `dmaframe info` lists them' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l frame-bytes -d 'Payload of a frame in bytes: a multiple of 4; K and M are units' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l slots -d 'Slots of the ring: a power of two' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l policy -d 'When no slot is free: backpressure (the engine waits) or drop (frames are lost and counted)' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l interval-us -d 'Microseconds from one frame to the next; 0 is as fast as the engine runs' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l format -d 'Format: npy, pcapng, sr, vcd, sigmf, wav or raw. By default, what the extension of FILE says' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l channels -d 'Bits that become channels of sr and vcd: 4,17-19 or 17=CLK,18=DATA. By default, all bits' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l interleaved -d 'Channels whose words alternate, for sigmf and wav' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l rate -d 'Words per second, for sr, sigmf and wav. By default, those of a paced stream on average, or as the device stamps show' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l frames -d 'End after this many frames; 0 runs until Ctrl-C' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l duration -d 'End after this time: 10s, 500ms, 5m or 1h' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l max-size -d 'End before the files together are larger than this: 500M or 4G' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l rotate -d 'Go on in another file, FILE-2 and so on, before the file is larger than a size (500M, 4G), or after a time (10s, 5m, 1h)' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l trigger -d 'Begin with the first frame in which a bit has a level or an edge (17=high, 17=low, 17=rising, 17=falling), a word a value (word>V, word<V, word=V), or before which frames are lost (lost)' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -l json -d 'Print the summary as a JSON object'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand convert" -l format -d 'Format: npy, pcapng, sr, vcd, sigmf, wav or raw. By default, what the extension of FILE says' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand convert" -l channels -d 'Bits that become channels of sr and vcd: 4,17-19 or 17=CLK,18=DATA. By default, all bits' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand convert" -l interleaved -d 'Channels whose words alternate, for sigmf and wav' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand convert" -l rate -d 'Words per second, for sr, sigmf and wav. By default, those of a paced stream on average, or as the device stamps show' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand convert" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand convert" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand convert" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand replay" -l fast -d 'Do not wait between frames'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand replay" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand replay" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand get" -l device -d 'Device: N, dmaframeN or /dev/dmaframeN' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand get" -l all -d 'Show all devices'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand get" -l json -d 'Print JSON: an object, with --all an array, with ATTR the value'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand get" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand get" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand get" -s h -l help -d 'Print help'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand set" -l device -d 'Device: N, dmaframeN or /dev/dmaframeN' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand set" -l json -d 'Print the device\'s attributes after the change as a JSON object'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand set" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand set" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand monitor" -l count -d 'End after this many events' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand monitor" -l json -d 'Print one JSON object a line'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand monitor" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand monitor" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand monitor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -l interval -d 'Time from one look to the next, such as 500ms or 10s' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -l count -d 'End after this many intervals' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -l size -d 'Size of the terminal, such as 80x24, where it does not know its own' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -l baud -d 'Speed of the line to the terminal in bits per second; without it, that of a serial port. At most half of it is used' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -l json -d 'Print one JSON object a line for each device and interval'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -l ascii -d 'Draw with ASCII characters alone'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand top" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l device -d 'Device: N, dmaframeN, or the path of its node' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l source -d 'Name of the source; `dmaframe info` lists them' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l frame-bytes -d 'Payload of a frame in bytes: a multiple of 4; K and M are units' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l slots -d 'Slots of the ring: a power of two' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l policy -d 'When no slot is free: backpressure (the engine waits) or drop (frames are lost and counted)' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l interval-us -d 'Microseconds from one frame to the next; 0 is as fast as the engine runs' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l pins -d 'Draw these bits as logic levels, such as 17,22 or 0-7' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l word -d 'Words of the payload: u8, i8, u16, i16, u32 or i32' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l rate -d 'Samples per second of a file, which has no times of its own' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l trigger -d 'Fix the picture at BIT:rising, BIT:falling, BIT:change, >LEVEL or <LEVEL' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l span -d 'Time that the screen shows, such as 500us, 20ms or 2s' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l samples -d 'Samples that are kept' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l save -d 'The file that s writes, in the format that its name says: .svg or .png' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l size -d 'Size of the terminal, such as 80x24, where it does not know its own' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l baud -d 'Speed of the line to the terminal in bits per second; without it, that of a serial port. At most half of it is used' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l wave -d 'Draw the values as a waveform, in addition to --pins'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l normal -d 'Keep the picture until the next trigger. Otherwise it follows the signal when none comes'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l once -d 'Save the picture of the first trigger, or of the first span, and end. Needs no terminal'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -l ascii -d 'Draw with ASCII characters alone'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand scope" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -s o -l output -d 'The picture, whose name ends in .svg or .png' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -l pins -d 'Draw these bits as logic levels, such as 17,22 or 0-7' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -l word -d 'Words of the payload: u8, i8, u16, i16, u32 or i32' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -l rate -d 'Samples per second of a file, which has no times of its own' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -l wave -d 'Draw the values as a waveform, in addition to --pins'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand plot" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand report" -l output -d 'Write here instead of to standard output' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand report" -l json -d 'Write a JSON object: the version, and each section with its name and text'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand report" -l quick -d 'Leave out compliance and benchmark, which stream'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand report" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand report" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l level -d 'Set the driver\'s level meanwhile: off, error, warn, info, debug or trace' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l count -d 'End after this many lines' -r
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l raw -d 'Save the records to FILE instead, not decoded; - is standard output' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l from -d 'Decode this file, which --raw saved, on any machine' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l elf -d 'File of the module that wrote the records. The default is the installed module' -r -F
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l since-boot -d 'Print the records that the driver has kept since it was loaded, and end'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l follow -d 'With --since-boot: go on with the records that follow'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -l json -d 'Print one JSON object a line'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -s v -l verbose -d 'Print the library\'s requests on standard error; twice: its waits too'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -s q -l quiet -d 'Print no notices on standard error, only errors'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand trace" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "list" -d 'List all devices, one a line'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "info" -d 'Show a device: its engine, limits, sources, settings and owner'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "stream" -d 'Stream frames: count, verify or write them, until Ctrl-C or --frames'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "record" -d 'Record frames to a file that other tools open'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "convert" -d 'Convert a recording to another format'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "replay" -d 'Give the frames of a recording as a device gives them, at the pace of the recording'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "get" -d 'Show the attributes of a device, which may be in use'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "set" -d 'Change a device\'s settings, which streams use unless their program asks for something else'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "monitor" -d 'Print the events of all devices, one a line, until Ctrl-C'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "top" -d 'Show the traffic of all devices, again and again, until q or Ctrl-C'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "scope" -d 'Look at a signal in the terminal: pins as logic levels, words as a waveform'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "plot" -d 'Draw a file of payloads as an SVG or PNG picture'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "report" -d 'Write one file that describes this board and its devices'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "trace" -d 'Show what the driver does, step by step'
complete -c dmaframe -n "__fish_dmaframe_using_subcommand help; and not __fish_seen_subcommand_from list info stream record convert replay get set monitor top scope plot report trace help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
