// SPDX-License-Identifier: MIT OR Apache-2.0
//! The results of a run, as JSON.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::samples::{Samples, ratio};
use super::statistics::{Figure, median};

/// Frame sizes, in bytes, of the comparisons with dmatest and with read(2).
pub(super) const SIZES: [u64; 4] = [4096, 65536, 614_400, 4 << 20];
/// The drivers that deliver paced frames like dmaframe.
const PEERS: [&str; 2] = ["vivid", "copying"];
pub(super) const PACED_BYTES: u64 = 614_400;
pub(super) const IDLE: u64 = 0;
pub(super) const LOADED: u64 = 1;

/// Facts about a run other than its samples.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) command: String,
    pub(crate) date: String,
    pub(crate) kernel: String,
    pub(crate) qemu: String,
    pub(crate) host: String,
    /// Seconds from the start of the kernel to the first verified frame.
    pub(crate) first_frame: Figure,
    pub(crate) sizes: Map<String, Value>,
    pub(crate) build_seconds: Map<String, Value>,
}

/// All results.
pub(crate) fn figures(samples: &Samples, environment: &Environment) -> Result<Value> {
    let need = |figure: Option<Figure>, what: &str| {
        figure.map(|figure| figure.json()).with_context(|| format!("the samples contain no {what}"))
    };
    let sized = |over: &str, under: &str, measure: &str| -> Result<Value> {
        let mut all = Map::new();
        for key in SIZES {
            let figure = samples.ratio(measure, over, under, key);
            all.insert(key.to_string(), need(figure, &format!("{measure} of {key} bytes"))?);
        }
        Ok(Value::Object(all))
    };
    let calls = |subject: &str, key: u64| need(samples.figure("calls", subject, key), subject);
    let polls = |subject: &str, key: u64| need(samples.figure("polls", subject, key), "polls");
    let (peer, system) =
        system(samples).context("the samples contain no measurement of the whole system")?;
    let latency = |key| {
        ratio(&samples.by_round("latency", "poll", key), &samples.by_round("latency", "floor", key))
    };
    Ok(json!({
        "command": environment.command,
        "date": environment.date,
        "engine_ratio": sized("dmaframe", "dmatest", "engine")?,
        "read_over_mmap_cpu": sized("read", "mmap", "reader")?,
        "syscalls_per_frame": {
            "saturated": calls("saturated", 4096)?,
            "saturated_65536": calls("saturated", 65536)?,
            "saturated_614400": calls("saturated", 614_400)?,
            "paced": calls("paced", 4096)?,
            "v4l2": calls("v4l2", PACED_BYTES)?,
        },
        "polls_per_publication": {
            "saturated": polls("saturated", 4096)?,
            "saturated_65536": polls("saturated", 65536)?,
            "saturated_614400": polls("saturated", 614_400)?,
            "paced": polls("paced", 4096)?,
        },
        "cpu_over_best_peer": system.json(),
        "best_peer": peer,
        "latency_p50_over_floor": need(latency(IDLE), "latency")?,
        "latency_p50_over_floor_loaded": need(latency(LOADED), "latency under load")?,
        "first_frame_guest_s": environment.first_frame.json(),
        "uncached_over_cached": need(
            samples.ratio("payload", "uncached", "cached", 4 << 20),
            "reading of payload",
        )?,
        "versions": {
            "dmaframe": env!("CARGO_PKG_VERSION"),
            "kernel": environment.kernel,
            "qemu": environment.qemu,
            "host": environment.host,
        },
        "sizes": environment.sizes,
        "build_s": environment.build_seconds,
    }))
}

/// The peer that uses the least processor time, and the ratio of dmaframe to it. The processor time
/// of the idle system is subtracted from both. `None` if the peer uses no more than the idle
/// system.
fn system(samples: &Samples) -> Option<(&'static str, Figure)> {
    let of = |subject: &str| samples.by_round("system", subject, PACED_BYTES);
    let idle = median(&of("idle"))?;
    let cost = |subject: &str| of(subject).iter().map(|whole| whole - idle).collect::<Vec<_>>();
    let (peer, least) = PEERS
        .into_iter()
        .filter_map(|peer| Some((peer, median(&cost(peer))?)))
        .min_by(|(_, one), (_, other)| one.total_cmp(other))?;
    (least > 0.0).then_some((peer, ratio(&cost("dmaframe"), &cost(peer))?))
}

/// Reads a figure from JSON.
pub(super) fn stored(figures: &Value, path: &[&str]) -> Option<Figure> {
    let figure = path.iter().fold(figures, |at, name| &at[*name]);
    let number = |name: &str| figure[name].as_f64();
    Some(Figure {
        median: number("median")?,
        low: number("low")?,
        high: number("high")?,
        count: figure["count"].as_u64()? as usize,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt::Write;

    use super::*;

    pub(crate) fn environment() -> Environment {
        let map = |value: Value| value.as_object().unwrap().clone();
        Environment {
            command: "cargo xtask bench".to_owned(),
            date: "2001-01-01".to_owned(),
            kernel: "Linux 7".to_owned(),
            qemu: "QEMU 10".to_owned(),
            host: "2 processors".to_owned(),
            first_frame: Figure::of(&[1.5, 1.6]).unwrap(),
            sizes: map(json!({ "module": 1000, "image": null })),
            build_seconds: map(json!({ "kernel_cold": null, "all_warm": 3.25 })),
        }
    }

    /// Two rounds of all measurements. Their values are 1, except for the given ones.
    pub(crate) fn samples(other: &[(&str, &str, f64)]) -> Samples {
        let mut text = String::new();
        let mut add = |measure: &str, subject: &str, key: u64| {
            let given = other.iter().find(|(m, s, _)| *m == measure && *s == subject);
            let usual = if subject == "idle" { 0.5 } else { 1.0 };
            let value = given.map_or(usual, |(_, _, value)| *value);
            for round in 0..2 {
                writeln!(
                    text,
                    r#"{{"measure":"{measure}","subject":"{subject}","key":{key},"round":{round},"values":[{value:?}]}}"#
                )
                .unwrap();
            }
        };
        for key in SIZES {
            add("engine", "dmaframe", key);
            add("engine", "dmatest", key);
            add("reader", "mmap", key);
            add("reader", "read", key);
            add("calls", "saturated", key);
            add("polls", "saturated", key);
        }
        add("calls", "paced", 4096);
        add("polls", "paced", 4096);
        add("calls", "v4l2", PACED_BYTES);
        for subject in ["idle", "dmaframe", "vivid", "copying"] {
            add("system", subject, PACED_BYTES);
        }
        for key in [IDLE, LOADED] {
            add("latency", "poll", key);
            add("latency", "floor", key);
        }
        add("payload", "cached", 4 << 20);
        add("payload", "uncached", 4 << 20);
        for (measure, key) in [("readers", 2), ("sizes", 256), ("slots", 2)] {
            add(measure, "dmaframe", key);
        }
        Samples::parse(&text).unwrap()
    }

    #[test]
    fn every_figure_has_a_median_and_a_spread() {
        let samples = samples(&[("reader", "read", 60.0), ("engine", "dmaframe", 3.0)]);
        let figures = figures(&samples, &environment()).unwrap();
        for size in ["4096", "65536", "614400", "4194304"] {
            assert_eq!(figures["engine_ratio"][size]["median"], 3.0);
            assert_eq!(figures["read_over_mmap_cpu"][size]["median"], 60.0);
        }
        for key in ["saturated", "paced", "v4l2"] {
            assert_eq!(figures["syscalls_per_frame"][key]["spread"], 0.0);
        }
        for key in ["saturated", "saturated_65536", "saturated_614400", "paced"] {
            assert_eq!(figures["polls_per_publication"][key]["median"], 1.0);
        }
        for key in ["latency_p50_over_floor", "first_frame_guest_s"] {
            assert!(figures[key]["median"].is_f64() && figures[key]["spread"].is_f64(), "{key}");
        }
        assert_eq!(figures["sizes"]["image"], Value::Null);
    }

    #[test]
    fn best_peer_is_the_cheapest_and_the_idle_system_is_subtracted() {
        let samples = samples(&[
            ("system", "idle", 1.0),
            ("system", "vivid", 9.0),
            ("system", "copying", 5.0),
            ("system", "dmaframe", 2.0),
        ]);
        let figures = figures(&samples, &environment()).unwrap();
        assert_eq!(figures["best_peer"], "copying");
        assert_eq!(figures["cpu_over_best_peer"]["median"], 0.25);
    }

    #[test]
    fn peer_without_cost_is_an_error() {
        let samples = samples(&[("system", "copying", 0.5)]);
        assert!(figures(&samples, &environment()).is_err());
    }

    #[test]
    fn error_names_a_missing_measurement() {
        let missing = figures(&Samples::default(), &environment()).unwrap_err().to_string();
        assert!(missing.contains("whole system"), "{missing}");
    }
}
