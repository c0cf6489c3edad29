# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints the symbols that an external tree of Buildroot defines. A warning is a failure.

kconfig-symbols.py TREE
"""
import os, sys, tempfile
import kconfiglib
tree = sys.argv[1]
os.environ["BR2_EXTERNAL_DMAFRAME_PATH"] = tree
with tempfile.NamedTemporaryFile("w") as top:
    for name in ["Config.in", "linux/Config.ext.in"]:
        top.write(f'source "{tree}/{name}"\n')
    top.flush()
    kconfig = kconfiglib.Kconfig(top.name, warn_to_stderr=False)
for warning in kconfig.warnings:
    sys.exit(warning)
for symbol in kconfig.unique_defined_syms:
    print(symbol.name)
