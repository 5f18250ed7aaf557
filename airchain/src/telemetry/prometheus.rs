//! Telemetry as text for Prometheus: the text exposition format, version 0.0.4.
//!
//! Every metric is a row of a table: its name, its kind, what it says, and where its samples come from. What is not known
//! has no sample. Values are in base units (seconds, bytes, ratios) but for those that radio counts otherwise (frames,
//! LUFS, decibels). Nothing tells of files on this machine or where outputs go.

use std::fmt::Write;

use airchain_core::playout::report::{BufferHealth, Health};
use airchain_core::tier::Tier;
use airchain_inputs::webstream::LinkState;

use super::{CpuTime, HostTelemetry, Telemetry};
use crate::input::InputStatus;
use crate::station::OutputStatus;

/// A metric of a `T`: a station, one of its outputs, ...
struct Metric<T> {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    samples: fn(&T, &mut Samples<'_>),
}

const fn gauge<T>(name: &'static str, help: &'static str, samples: fn(&T, &mut Samples<'_>)) -> Metric<T> {
    Metric { name, kind: "gauge", help, samples }
}

const fn counter<T>(name: &'static str, help: &'static str, samples: fn(&T, &mut Samples<'_>)) -> Metric<T> {
    Metric { name, kind: "counter", help, samples }
}

const HOST: &[Metric<HostTelemetry>] = &[
    gauge("airchain_build_info", "The version that runs.", |_, out| {
        out.put(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    }),
    gauge("airchain_stations", "Stations on air.", |host, out| out.count(host.stations.len() as u64)),
    gauge("airchain_process_resident_memory_bytes", "Memory in use.", |host, out| {
        out.known_count(host.process.resident_bytes);
    }),
    gauge("airchain_process_threads", "Threads.", |host, out| {
        out.known_count(host.process.threads);
    }),
    counter("airchain_process_cpu_seconds_total", "Processor time, of all threads.", |host, out| {
        out.known(host.process.cpu_s);
    }),
    gauge("airchain_process_open_fds", "Open files and sockets.", |host, out| {
        out.known_count(host.process.open_files);
    }),
];

const STATION: &[Metric<Telemetry>] = &[
    gauge("airchain_station_info", "A station and its name.", |station, out| {
        out.put(&[("name", &station.name)], 1.0);
    }),
    gauge("airchain_station_sample_rate_hertz", "Rate of the frames that are counted.", |station, out| {
        out.one(station.sample_rate_hz);
    }),
    gauge("airchain_uptime_seconds", "Time since the station was put on air.", |station, out| {
        out.one(station.uptime_s);
    }),
    counter("airchain_frames_rendered_total", "Frames rendered.", |station, out| {
        out.count(station.position);
    }),
    gauge("airchain_tier_on_air", "1 for the tier that has the air.", |station, out| {
        for tier in Tier::ALL {
            out.put(&[("tier", tier.name())], is(station.tier == Some(tier)));
        }
    }),
    gauge("airchain_dead_air", "1 while no tier has audio.", |station, out| {
        out.one(is(station.tier.is_none()))
    }),
    gauge("airchain_silent", "1 while a silence detector finds the programme silent.", |station, out| {
        out.one(is(station.silent));
    }),
    gauge("airchain_finished", "1 once the programme and all that was asked for is over.", |station, out| {
        out.one(is(station.finished));
    }),
    gauge("airchain_peak_dbfs", "Sample peak over the last 100 ms.", |station, out| {
        out.channels(station.levels.peak_dbfs);
    }),
    gauge("airchain_rms_dbfs", "RMS over the last 100 ms.", |station, out| {
        out.channels(station.levels.rms_dbfs);
    }),
    gauge("airchain_true_peak_dbtp", "True peak over the last 100 ms.", |station, out| {
        out.channels(station.levels.true_peak_dbtp);
    }),
    gauge(
        "airchain_max_true_peak_dbtp",
        "Greatest true peak since the start or the last reset.",
        |station, out| {
            out.channels(station.levels.max_true_peak_dbtp);
        },
    ),
    gauge("airchain_stereo_correlation", "Correlation of left and right over 400 ms.", |station, out| {
        out.known(station.levels.correlation);
    }),
    gauge("airchain_loudness_momentary_lufs", "Loudness of the last 400 ms.", |station, out| {
        out.known(station.levels.momentary_lufs);
    }),
    gauge("airchain_loudness_short_term_lufs", "Loudness of the last 3 s.", |station, out| {
        out.known(station.levels.short_term_lufs);
    }),
    gauge(
        "airchain_loudness_integrated_lufs",
        "Gated loudness since the start or the last reset.",
        |station, out| {
            out.known(station.levels.integrated_lufs);
        },
    ),
    gauge(
        "airchain_loudness_range_lu",
        "Loudness range since the start or the last reset.",
        |station, out| {
            out.known(station.levels.loudness_range_lu);
        },
    ),
    gauge("airchain_buffer_frames", "Frames that the source on air holds ahead.", |station, out| {
        out.known_count(station.buffer.frames);
    }),
    gauge("airchain_buffer_seconds", "The same in seconds.", |station, out| {
        out.known(station.buffer.ms.map(|ms| ms / 1000.0));
    }),
    gauge("airchain_buffer_fill_ratio", "The same as a share of a full ring.", |station, out| {
        out.one(station.buffer.fill);
    }),
    gauge("airchain_buffer_health", "1 for how that is: good, low or dry.", |station, out| {
        for health in BufferHealth::ALL {
            out.put(&[("health", health.name())], is(station.buffer.health == health));
        }
    }),
    counter("airchain_underruns_total", "Times a decoder or live source was late.", |station, out| {
        out.count(station.underruns.count);
    }),
    counter("airchain_underrun_frames_total", "Frames that it had not ready in time.", |station, out| {
        out.count(station.underruns.frames);
    }),
    counter(
        "airchain_dropouts_total",
        "Times the air thread was too late to make it good.",
        |station, out| {
            out.count(station.dropouts.count);
        },
    ),
    counter("airchain_dropout_frames_total", "Frames that were never rendered for that.", |station, out| {
        out.count(station.dropouts.frames);
    }),
    counter(
        "airchain_late_blocks_total",
        "Blocks more than one block late, but made good.",
        |station, out| {
            out.count(station.late_blocks);
        },
    ),
    gauge(
        "airchain_worst_block_seconds",
        "Longest rendering of a block in the last second.",
        |station, out| {
            out.one(station.worst_block_ms / 1000.0);
        },
    ),
    counter(
        "airchain_cpu_seconds_total",
        "Processor time that the station has taken; of air the time of rendering by the clock.",
        |station, out| {
            out.parts(&station.cpu_s);
        },
    ),
    gauge(
        "airchain_cpu_share_ratio",
        "The same over the last second, as a share of a core.",
        |station, out| {
            out.parts(&station.cpu_share);
        },
    ),
    gauge("airchain_encoders", "Encoders that run: one for each distinct format.", |station, out| {
        out.count(station.encoders);
    }),
    counter("airchain_unencoded_frames_total", "Frames that came too late to be encoded.", |station, out| {
        out.count(station.unencoded_frames);
    }),
    counter(
        "airchain_unmeasured_frames_total",
        "Frames that came too late to be measured.",
        |station, out| {
            out.count(station.unmeasured_frames);
        },
    ),
    counter("airchain_faults_total", "Failures inside that were got over, by part.", |station, out| {
        for (part, count) in station.faults.iter() {
            out.put(&[("part", part.name())], count as f64);
        }
    }),
    gauge("airchain_queue_items", "Items that wait to be heard.", |station, out| {
        for tier in Tier::ALL.into_iter().filter(|tier| *tier != Tier::Fallback) {
            out.put(&[("tier", tier.name())], station.queue.of(tier) as f64);
        }
    }),
    gauge("airchain_queue_requests", "Requests whose time has not come.", |station, out| {
        out.count(station.queue.requests as u64);
    }),
    counter("airchain_items_played_total", "Items that began to be heard.", |station, out| {
        out.count(station.counts.items_played);
    }),
    counter(
        "airchain_source_failures_total",
        "Items that could not be played, or not whole.",
        |station, out| {
            out.count(station.counts.source_failures);
        },
    ),
    counter("airchain_tier_changes_total", "Times another tier got the air.", |station, out| {
        out.count(station.counts.tier_changes);
    }),
    counter("airchain_emergencies_total", "Times an emergency got the air.", |station, out| {
        out.count(station.counts.emergencies);
    }),
    counter("airchain_dead_airs_total", "Times no tier had audio.", |station, out| {
        out.count(station.counts.dead_airs);
    }),
    counter("airchain_silences_total", "Silences detected in the programme.", |station, out| {
        out.count(station.counts.silences);
    }),
    counter("airchain_schedule_drops_total", "Entries of the schedule passed over.", |station, out| {
        out.count(station.counts.schedule_drops);
    }),
    counter(
        "airchain_commands_total",
        "Requests, carried out (done) or refused (failed).",
        |station, out| {
            out.put(&[("result", "done")], station.counts.commands_done as f64);
            out.put(&[("result", "failed")], station.counts.commands_failed as f64);
        },
    ),
];

const OUTPUT: &[Metric<OutputStatus>] = &[
    gauge("airchain_output_info", "An output and its kind.", |output, out| {
        out.put(&[("kind", output.kind)], 1.0)
    }),
    gauge("airchain_output_up", "1 while the output delivers all it is given.", |output, out| {
        out.one(is(health_of(output) == Some(Health::Up)));
    }),
    gauge("airchain_output_health", "1 for how it is: up, degraded or down.", |output, out| {
        for health in health_of(output).iter().flat_map(|_| Health::ALL) {
            out.put(&[("health", health.name())], is(health_of(output) == Some(health)));
        }
    }),
    counter("airchain_output_bytes_total", "Encoded bytes delivered.", |output, out| {
        out.known_count(output.stats.as_ref().map(|stats| stats.bytes));
    }),
    counter("airchain_output_packets_total", "Packets delivered.", |output, out| {
        out.known_count(output.stats.as_ref().map(|stats| stats.packets));
    }),
    counter(
        "airchain_output_dropped_frames_total",
        "Frames dropped: it was down or too slow.",
        |output, out| {
            out.known_count(output.stats.as_ref().map(|stats| stats.dropped_frames));
        },
    ),
    counter("airchain_output_reconnects_total", "Times it was opened again.", |output, out| {
        out.known_count(output.stats.as_ref().map(|stats| stats.reconnects));
    }),
    gauge("airchain_output_queue_seconds", "Audio that waits to be sent.", |output, out| {
        out.known(output.stats.as_ref().map(|stats| stats.queued_s));
    }),
    gauge("airchain_output_listeners", "Listeners of a mount of the built-in listener.", |output, out| {
        out.known_count(output.listeners.map(|listeners| listeners as u64));
    }),
];

const INPUT: &[Metric<InputStatus>] = &[
    gauge("airchain_input_info", "An input and its kind.", |input, out| {
        out.put(&[("kind", input.kind)], 1.0)
    }),
    gauge("airchain_input_up", "1 while it brings audio.", |input, out| {
        out.one(is(input.link.state == LinkState::Streaming));
    }),
    counter("airchain_input_bytes_total", "Bytes of audio that came.", |input, out| {
        out.count(input.link.bytes);
    }),
    counter("airchain_input_connects_total", "Connections that brought audio.", |input, out| {
        out.count(input.link.connects);
    }),
    counter(
        "airchain_input_failures_total",
        "Tries that brought none, and broken connections.",
        |input, out| {
            out.count(input.link.failures);
        },
    ),
    gauge("airchain_input_buffer_seconds", "Audio of it that waits.", |input, out| {
        out.known(input.feed.buffered_s)
    }),
];

/// How an output is; `None` until its encoder runs.
fn health_of(output: &OutputStatus) -> Option<Health> {
    output.stats.as_ref().map(|stats| stats.health)
}

fn is(true_of_it: bool) -> f64 {
    f64::from(u8::from(true_of_it))
}

/// A label's name and value.
type Label<'a> = (&'static str, &'a str);

/// The text of `/metrics`.
pub fn text(host: &HostTelemetry) -> String {
    let mut page = String::new();
    let stations = host.stations.iter().map(|station| (station, vec![("station", station.station.as_str())]));
    let outputs = host.stations.iter().flat_map(|station| {
        let labels = |id| vec![("station", station.station.as_str()), ("output", id)];
        station.outputs.iter().map(move |output| (output, labels(output.id.as_str())))
    });
    let inputs = host.stations.iter().flat_map(|station| {
        let labels = |id| vec![("station", station.station.as_str()), ("input", id)];
        station.inputs.iter().map(move |input| (input, labels(input.id.as_str())))
    });
    write(&mut page, HOST, &[(host, Vec::new())]);
    write(&mut page, STATION, &stations.collect::<Vec<_>>());
    write(&mut page, OUTPUT, &outputs.collect::<Vec<_>>());
    write(&mut page, INPUT, &inputs.collect::<Vec<_>>());
    page
}

/// Writes metrics with the samples of all that have them, each by its labels: those of one metric have to be together.
fn write<T>(page: &mut String, metrics: &[Metric<T>], all: &[(&T, Vec<Label<'_>>)]) {
    for Metric { name, kind, help, samples } in metrics {
        let before = page.len();
        // Writing to a string never fails, here and below.
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
        let head = page.len();
        for (one, labels) in all {
            samples(one, &mut Samples { page, name, labels });
        }
        if page.len() == head {
            page.truncate(before);
        }
    }
}

/// Where the samples of one metric of one thing go.
struct Samples<'a> {
    page: &'a mut String,
    name: &'static str,
    labels: &'a [Label<'a>],
}

impl Samples<'_> {
    /// A sample with labels of its own. A value that is no number is left out.
    fn put(&mut self, labels: &[Label<'_>], value: f64) {
        if !value.is_finite() {
            return;
        }
        self.page.push_str(self.name);
        for (index, (name, text)) in self.labels.iter().chain(labels).enumerate() {
            let _ = write!(self.page, "{}{name}=\"", if index == 0 { '{' } else { ',' });
            for character in text.chars() {
                match character {
                    '\\' => self.page.push_str("\\\\"),
                    '"' => self.page.push_str("\\\""),
                    '\n' => self.page.push_str("\\n"),
                    other => self.page.push(other),
                }
            }
            self.page.push('"');
        }
        let close = if self.labels.len() + labels.len() > 0 { "}" } else { "" };
        let _ = writeln!(self.page, "{close} {value}");
    }

    fn one(&mut self, value: impl Into<f64>) {
        self.put(&[], value.into());
    }

    fn count(&mut self, count: u64) {
        self.one(count as f64);
    }

    /// What may not be known.
    fn known(&mut self, value: Option<impl Into<f64>>) {
        value.into_iter().for_each(|value| self.one(value));
    }

    fn known_count(&mut self, count: Option<u64>) {
        count.into_iter().for_each(|count| self.count(count));
    }

    fn channels(&mut self, levels: [Option<f32>; 2]) {
        for (channel, level) in ["left", "right"].into_iter().zip(levels) {
            level.into_iter().for_each(|level| self.put(&[("channel", channel)], level.into()));
        }
    }

    fn parts(&mut self, cost: &CpuTime) {
        let parts =
            [("air", cost.air), ("decode", cost.decode), ("encode", cost.encode), ("meter", cost.meter)];
        parts.into_iter().for_each(|(part, value)| self.put(&[("part", part)], value));
    }
}
