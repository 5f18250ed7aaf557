//! Station files: the sample of the interface, defaults, every kind of error with its place, and hostile text.

use std::time::Duration;

use airchain::codecs::container::segment::Container;
use airchain::codecs::{Bitrate, Codec};
use airchain::config::{self, AudioFormat, OutputConfig, Problem, Severity};
use airchain::from_config;
use airchain::output::Target;
use airchain::outputs::http::MountOptions;
use airchain::outputs::recording::Labels;
use serde_json::json;

/// A station file as people write it, with everything that has no default and much that has one.
const SAMPLE: &str = r#"
station: { id: "wgmr", name: "WGMR FM", timezone: "America/New_York" }

mounts:
  - id: "mount-main"
    name: "Main 128k MP3"
    outputs:
      - { type: icecast, url: "icecast://source:password@localhost:8000/stream", format: mp3, bitrate_kbps: 128, channels: 2, sample_rate: 44100 }
      - { type: hls, path: "/var/www/hls/wgmr", segment_duration_sec: 4, playlist_size: 6 }
      - { type: recording, path: "/var/recordings/wgmr", format: mp3, bitrate_kbps: 192, rotation_days: 30, max_size_gb: 100 }

dsp_graph:
  nodes:
    - { type: loudness_normalize, config: { target_lufs: -16.0, true_peak_limit_dbtp: -1.0, integrated_window_sec: 3.0 } }
    - { type: agc,        config: { enabled: true, target_level_db: -14.0, max_gain_db: 12.0, attack_ms: 10, release_ms: 100 } }
    - { type: compressor, config: { threshold_db: -20.0, ratio: 3.0, knee_db: 6.0, attack_ms: 5, release_ms: 50, makeup_gain_db: 2.0 } }
    - { type: limiter,    config: { threshold_db: -1.0, lookahead_ms: 5, release_ms: 10 } }
    - { type: silence_detector, config: { threshold_db: -40.0, duration_sec: 5.0, action: failover_to_fallback } }

failover: { live_timeout_sec: 30, automation_fallback_enabled: true, fallback_audio_path: "/media/fallback.mp3", fallback_audio_loop: true }
priorities: { emergency: 0, live_override: 1, live_scheduled: 2, automation: 3, fallback: 4 }
"#;

fn errors(text: &str) -> Vec<Problem> {
    let errors = config::parse(text, "station.yaml").expect_err("should be refused");
    errors.problems.into_iter().filter(|p| p.severity == Severity::Error).collect()
}

/// The one error of a text.
fn error(text: &str) -> Problem {
    let mut all = errors(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// A station with these lines below the obligatory ones; they begin on line 2.
fn with(lines: &str) -> String {
    format!("station: {{ id: s }}\n{lines}")
}

#[test]
fn the_sample_loads_as_it_stands() {
    let config = config::parse(SAMPLE, "wgmr.yaml").unwrap();
    assert_eq!(config.station.id, "wgmr");
    assert_eq!((config.station.sample_rate, config.station.block_ms), (48_000, 10));
    let outputs = &config.mounts[0].outputs;
    let OutputConfig::Icecast(icecast) = &outputs[0] else { panic!("{outputs:?}") };
    assert_eq!(icecast.url, "icecast://source:password@localhost:8000/stream");
    let format = icecast.encoding.resolve(48_000).unwrap();
    assert_eq!((format.sample_rate_hz, format.channels), (44_100, 2));
    let OutputConfig::Hls(hls) = &outputs[1] else { panic!("{outputs:?}") };
    assert_eq!(
        (hls.segment_duration_sec, hls.playlist_size, hls.encoding.format),
        (4.0, 6, AudioFormat::Aac)
    );
    let OutputConfig::Recording(recording) = &outputs[2] else { panic!("{outputs:?}") };
    assert_eq!((recording.rotation_days, recording.max_size_gb, recording.rotate_minutes), (30, 100.0, 60));
    assert_eq!(config.dsp_graph.nodes.len(), 5);
    assert!(config.failover.fallback_audio_loop);
    assert_eq!(config.priorities.fallback, 4);
    assert!(config.automation.repeat && config.automation.playlist.is_empty());
}

#[test]
fn a_station_needs_no_more_than_an_id() {
    let config = config::parse("station: { id: tiny }", "t").unwrap();
    assert_eq!((config.station.name.as_str(), config.station.timezone.as_str()), ("tiny", "UTC"));
    assert!(config.mounts.is_empty() && config.dsp_graph.nodes.is_empty());
    assert_eq!(config.automation.crossfade_sec, 0.0);
}

#[test]
fn a_program_gives_the_same_shape() {
    let value =
        json!({ "station": { "id": "py" }, "automation": { "playlist": ["a.mp3", "b"], "loop": false } });
    let config = config::from_value(&value, "dict").unwrap();
    assert_eq!((config.automation.playlist.len(), config.automation.repeat), (2, false));
    let wrong =
        config::from_value(&json!({ "station": { "id": "py", "block_ms": "ten" } }), "dict").unwrap_err();
    assert_eq!(wrong.problems[0].field, "station.block_ms");
    assert_eq!(wrong.problems[0].line, None);
    // What was understood, written down and read again, is the same.
    let sample = config::parse(SAMPLE, "s").unwrap();
    let outputs = &serde_json::to_value(&sample).unwrap()["mounts"];
    let again = config::from_value(&json!({ "station": { "id": "x" }, "mounts": outputs }), "again").unwrap();
    assert_eq!(again.mounts, sample.mounts);
}

#[test]
fn errors_name_line_field_value_and_what_would_do() {
    let text = with(
        "mounts:\n  - id: m\n    outputs:\n      - { type: wav, path: a.wav }\n      - type: icecast\n        url: icecast://source:pw@host/live\n        bitrate_kbps: 9999\n",
    );
    let problem = error(&text);
    assert_eq!((problem.line, problem.column), (Some(8), Some(23)));
    assert_eq!(problem.field, "mounts[0].outputs[1].bitrate_kbps");
    assert_eq!(problem.value.as_deref(), Some("9999"));
    assert_eq!(problem.accepted.as_deref(), Some("a whole number, 6 to 1024 kbit/s"));
    assert_eq!(
        config::parse(&text, "s.yaml").unwrap_err().to_string(),
        "s.yaml:8:23: mounts[0].outputs[1].bitrate_kbps: \"9999\": out of range; give a whole number, 6 to 1024 kbit/s"
    );
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let problem = error(&with("failover:\n  automation_fallback_enabled: false\n"));
    assert_eq!(problem.line, Some(3));
    assert_eq!(
        problem.to_string(),
        "3:32: failover.automation_fallback_enabled: \"false\": automation always takes over from a lost live source; \
         give true, or leave it out"
    );
}

#[test]
fn a_tier_has_as_many_inputs_as_it_can_hold() {
    let inputs = |tiers: &[&str]| {
        let input = |(n, tier): (usize, &&str)| {
            format!("  - {{ type: webstream, id: i{n}, url: 'http://a.example/{n}', tier: {tier} }}\n")
        };
        with(&format!("inputs:\n{}", tiers.iter().enumerate().map(input).collect::<String>()))
    };
    let mut tiers = vec!["live_scheduled"; 9];
    tiers.extend(["live_override", "none"]);
    config::parse(&inputs(&tiers), "t").unwrap();
    tiers.push("live_scheduled");
    let problem = error(&inputs(&tiers));
    assert_eq!((problem.line, problem.field.as_str()), (Some(14), "inputs[11].tier"));
    assert_eq!(problem.value.as_deref(), Some("live_scheduled"));
    assert_eq!(problem.problem, "the tier holds 9 inputs, one that is heard and 8 that wait");
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_file() {
    let problems = errors(
        "station: { id: 'a b', block_ms: 0, tz: UTC }\nmounts: 5\nautomation:\n  order: random\n  loop: maybe\n  crossfade_sec: .nan\n  order: shuffle\npriorities: { emergency: 4 }\nfallover: {}\n",
    );
    let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
    let expected = [
        "station.id",
        "station.block_ms",
        "station.tz",
        "mounts",
        "automation.order",
        "automation.loop",
        "automation.crossfade_sec",
        "automation.order",
        "priorities.emergency",
        "fallover",
    ];
    assert_eq!(fields, expected, "{problems:#?}");
    assert_eq!(problems.last().and_then(|p| p.accepted.as_deref()), Some("failover, if that was meant"));
}

#[test]
fn unknown_words_find_their_neighbour() {
    let suggestion = |text: &str| error(text).accepted.unwrap_or_default();
    assert!(suggestion(&with("mount: []")).starts_with("mounts,"));
    assert!(suggestion(&with("automation: { cross_fade: 3 }")).starts_with("crossfade_sec,"));
    assert!(
        suggestion(&with("mounts: [{ id: m, outputs: [{ type: icecst, url: 'icecast://s:p@h/m' }] }]"))
            .starts_with("icecast,")
    );
    assert!(suggestion(&with("dsp_graph: { nodes: [{ type: compresor }] }")).starts_with("compressor,"));
    assert!(suggestion(&with("dsp_graph: { nodes: [{ type: reverb }] }")).len() < 400);
    assert_eq!(error(&with("type: hls")).field, "type", "only variants have a type");
}

#[test]
fn a_node_of_another_build_is_passed_over_with_a_warning() {
    let text = with("dsp_graph: { nodes: [{ type: ducking, config: { depth_db: -12 } }] }");
    if airchain_core::dsp::find("ducking").is_none() {
        let report = config::parse(&text, "s").unwrap();
        assert!(report.dsp_graph.nodes[0].entry().is_none());
        assert!(!report.dsp_graph.nodes[0].is_in_chain());
    }
}

#[test]
fn nodes_must_fit_each_other() {
    let chain = |nodes: &str| error(&with(&format!("dsp_graph:\n  nodes:\n{nodes}")));
    let twice =
        "    - { type: silence_detector }\n    - { type: loudness_normalize, config: { enabled: false } }
    - { type: loudness_normalize }\n    - type: Silence-Detector\n";
    let problem = chain(twice);
    assert_eq!(problem.field, "dsp_graph.nodes[3].type");
    assert_eq!((problem.line, problem.value.as_deref()), (Some(7), Some("silence_detector")));
    assert_eq!(problem.problem, "the chain has one already");
    let problem = chain(
        "    - type: multiband_compressor\n      config: { crossover2_hz: 300,\n        crossover1: 2000 }\n",
    );
    assert_eq!(problem.field, "dsp_graph.nodes[0].config.crossover1_hz");
    assert_eq!((problem.line, problem.accepted.as_deref()), (Some(6), Some("20 to 240 Hz")));
    for wrong in [".nan", ".inf", "1e99", "-61", "loud", "true"] {
        let problem = chain(&format!("    - {{ type: compressor, config: {{ threshold_db: {wrong} }} }}\n"));
        assert_eq!(problem.field, "dsp_graph.nodes[0].config.threshold_db");
        let said = (problem.value.as_deref(), problem.accepted.as_deref());
        assert_eq!(said, (Some(wrong), Some("a number, -60 to 0 dB")));
    }
    // A chain file is held to the same.
    let errors =
        config::parse_chain("- type: agc\n- type: silence_detector\n- type: silence_detector\n", "c");
    let problem = errors.unwrap_err().problems.remove(0);
    assert_eq!((problem.line, problem.field.as_str()), (Some(3), "nodes[2].type"));
}

#[test]
fn tls_has_both_names_that_urls_of_icecast_go_by() {
    for scheme in ["icecasts", "icecast+tls"] {
        let text = with(&format!(
            "mounts: [{{ id: m, outputs: [{{ type: icecast, url: '{scheme}://s:p@h/m' }}] }}]"
        ));
        assert!(config::parse(&text, "s").is_ok(), "{scheme}");
    }
}

#[test]
fn shoutcast_has_no_mounts_and_only_mp3_and_aac() {
    let with_output = |o: &str| with(&format!("mounts: [{{ id: m, outputs: [{o}] }}]"));
    for url in ["icecast://:p@h:8000", "icecast://:p@h:8000/", "icecast://dj:p@h/3"] {
        let text = with_output(&format!(
            "{{ type: icecast, protocol: shoutcast, url: '{url}', format: he-aac, ca_file: my.pem }}"
        ));
        assert!(config::parse(&text, "s").is_ok(), "{url}");
    }
    let of = |o: &str| error(&with_output(&format!("{{ type: icecast, protocol: shoutcast, {o} }}")));
    assert_eq!(of("url: 'icecast://:p@h:8000/live'").problem, "names a mount");
    assert_eq!(of("url: 'icecast://h:8000'").problem, "holds no password");
    assert_eq!(of("url: 'icecasts://:p@h:8000'").problem, "Shoutcast takes no sources by TLS");
    let opus = of("url: 'icecast://:p@h:8000', format: opus");
    assert_eq!(
        (opus.field.as_str(), opus.problem.as_str(), opus.accepted.as_deref()),
        (
            "mounts[0].outputs[0].format",
            "Shoutcast carries MP3 and AAC only",
            Some("mp3, aac, he-aac or he-aac-v2")
        )
    );
}

#[test]
fn fields_must_fit_each_other() {
    let output = |o: &str| error(&with(&format!("mounts: [{{ id: m, outputs: [{o}] }}]")));
    assert_eq!(output("{ type: icecast, url: 'icecast://source:p@h:8000/' }").problem, "names no mount");
    assert_eq!(output("{ type: icecast, url: 'icecast://h:8000/live' }").problem, "holds no password");
    assert_eq!(output("{ type: icecast, url: 'ftp://s:p@h/live' }").problem, "a URL of another scheme");
    let problem = output("{ type: recording, path: r, format: wav, bitrate_kbps: 900 }");
    assert_eq!(
        (problem.field.as_str(), problem.problem.as_str()),
        ("mounts[0].outputs[0].bitrate_kbps", "wav is lossless")
    );
    let problem = output("{ type: recording, path: r, format: mp3, sample_rate: 96000 }");
    assert_eq!(problem.field, "mounts[0].outputs[0].sample_rate");
    assert_eq!(
        output("{ type: hls, path: h, format: he-aac-v2, channels: 1 }").field,
        "mounts[0].outputs[0].channels"
    );
    for (container, carried, others) in [
        ("ts", &["mp3", "aac", "he-aac", "he-aac-v2"][..], &["opus", "flac"][..]),
        ("fmp4", &["aac", "he-aac", "he-aac-v2", "opus", "flac"], &["mp3"]),
        ("packed", &["mp3", "aac", "he-aac", "he-aac-v2"], &["opus", "flac"]),
    ] {
        let hls = |format| format!("{{ type: hls, path: h, container: {container}, format: {format} }}");
        for format in carried {
            let text = with(&format!("mounts: [{{ id: m, outputs: [{}] }}]", hls(*format)));
            assert!(config::parse(&text, "station.yaml").is_ok(), "{format} in {container}");
        }
        for format in others {
            let problem = output(&hls(format));
            assert_eq!(problem.field, "mounts[0].outputs[0].format", "{container}");
            assert!(problem.problem.contains(container), "{}", problem.problem);
            let accepted = problem.accepted.unwrap();
            assert!(carried.iter().all(|format| accepted.contains(format)), "{accepted}");
        }
    }
    assert_eq!(output("{ type: hls, path: h }, { type: hls, path: h }").field, "mounts[0].outputs[1].path");
    assert_eq!(output("{ type: hls, path: h }, { type: dash, path: h }").field, "mounts[0].outputs[1].path");
    assert_eq!(output("{ type: hls, path: h, dash: true }").field, "mounts[0].outputs[0].dash");
    assert_eq!(output("{ type: dash, path: h, format: mp3 }").field, "mounts[0].outputs[0].format");
    for both in
        ["{ type: hls, path: h, container: fmp4, dash: true }", "{ type: dash, path: h, format: opus }"]
    {
        let config = config::parse(&with(&format!("mounts: [{{ id: m, outputs: [{both}] }}]")), "s").unwrap();
        let (_, outputs) = airchain::from_config::station(&config).unwrap();
        let (Target::Hls(target) | Target::Dash(target)) = &outputs[0].target else { panic!("{both}") };
        assert_eq!((target.container, target.dash), (Container::Fmp4, true), "{both}");
        assert!(both.contains(&format!("type: {}", outputs[0].target.kind())), "{both}");
    }
    assert_eq!(error(&with("mounts: [{ id: a }, { id: a }]")).field, "mounts[1].id");
    let others = |count| format!("[{}]", "'http://h/', ".repeat(count));
    let input = |others| {
        with(&format!("inputs: [{{ type: webstream, id: w, url: 'http://h/', fallback_urls: {others} }}]"))
    };
    assert!(config::parse(&input(others(16)), "station.yaml").is_ok());
    let problem = error(&input(others(17)));
    assert_eq!(
        (problem.field.as_str(), problem.accepted.as_deref()),
        ("inputs[0].fallback_urls", Some("at most 16"))
    );
}

#[test]
fn recordings_know_whose_they_are_and_which_clock_they_go_by() {
    let text = "station: { id: wgmr, timezone: America/New_York }\nmounts: [{ id: main, outputs: [{ type: recording, path: r, \
                name: \"{station} {mount} {id} %Y%m%d%H%M%S {title}\", rotate_minutes: 0, rotate_size_mb: 700, cue: true }, \
                { type: wav, path: day.wav }] }]";
    let (_, outputs) = from_config::station(&config::parse(text, "x").unwrap()).unwrap();
    let Target::Recording(recording) = &outputs[0].target else { panic!() };
    let labels = Labels { station: "wgmr".into(), id: "main/0".into(), mount: "main".into() };
    assert_eq!(recording.labels, labels);
    assert_eq!((recording.rotate_every_s, recording.rotate_max_bytes, recording.cue), (0, 700_000_000, true));
    assert_eq!(recording.zone.iana_name(), Some("America/New_York"));
    let Target::Recording(wav) = &outputs[1].target else { panic!() };
    assert_eq!(wav.zone.iana_name(), Some("America/New_York"));
    for name in ["%Y-%m-%d", "{titel} %Y%m%d%H%M%S", "../%Y%m%d%H%M%S", "%Y%m%d%H%M%S %Q"] {
        let problem = error(&text.replace("{station} {mount} {id} %Y%m%d%H%M%S {title}", name));
        assert_eq!(
            (problem.field.as_str(), problem.value.as_deref()),
            ("mounts[0].outputs[0].name", Some(name))
        );
        assert!(problem.accepted.unwrap().contains("%Y-%m-%d_%H-%M-%S"));
    }
}

#[test]
fn a_declaration_with_its_defaults_is_a_declaration() {
    let text = format!(
        "{}\n  - id: more\n    outputs:\n      - {{ type: http, listen: \"localhost:8000\", format: flac }}\n      \
         - {{ type: wav, path: w.wav, sample_format: f32 }}\n      \
         - {{ type: hls, path: h, format: he-aac, renditions: [{{ name: low, format: aac, bitrate_kbps: 48 }}] }}\n      \
         - {{ type: icecast, url: \"icecast+tls://source:pw@h/m\", protocol: source, format: opus, genre: Talk }}\n",
        &SAMPLE[..SAMPLE.find("dsp_graph").unwrap()].trim_end()
    );
    let (spec, outputs) = from_config::station(&config::parse(&text, "x").unwrap()).unwrap();
    assert_eq!((spec.declared.len(), outputs.len()), (7, 7));
    for (declared, output) in spec.declared.iter().zip(&outputs) {
        let again = from_config::output(&spec.home(), declared).unwrap();
        assert_eq!(
            (&again.id, again.format, again.target.kind()),
            (&output.id, output.format, output.target.kind())
        );
        if let (Target::Icecast(again), Target::Icecast(output)) = (&again.target, &output.target) {
            assert_eq!((&again.url, &again.name, &again.genre), (&output.url, &output.name, &output.genre));
        }
    }
    // What a change leaves alone stays; what of the encoding belongs to the other format does not.
    let mp3 = spec.declared.iter().find(|declared| declared["id"] == "mount-main/0").unwrap();
    let change = |fields: serde_json::Value| {
        let changed = from_config::changed("mount-main/0", Some(mp3), fields.as_object().unwrap()).unwrap();
        from_config::output(&spec.home(), &changed).unwrap().format
    };
    assert_eq!(change(json!({"channels": 1})).bitrate, Bitrate::Cbr(128));
    assert_eq!(change(json!({"format": "he-aac"})).bitrate, Bitrate::Cbr(64));
    assert_eq!(change(json!({"format": "he-aac", "bitrate_kbps": 48})).bitrate, Bitrate::Cbr(48));
    assert_eq!(change(json!({"sample_rate": null})).sample_rate_hz, 48_000);
    let error = from_config::changed("x", None, json!({"format": "aac"}).as_object().unwrap()).unwrap_err();
    assert!(error.to_string().contains("give all of it with its type"), "{error}");
}

#[test]
fn renditions_have_names_and_folders_of_their_own() {
    let hls = |renditions: &str, more: &str| {
        let hls = format!("{{ type: hls, path: h, format: he-aac, renditions: [{renditions}] }}");
        with(&format!("mounts: [{{ id: m, outputs: [{hls}{more}] }}]"))
    };
    let (high, low) = ("{ name: high, bitrate_kbps: 128 }", "{ name: low, format: he-aac-v2 }");
    let text = hls(&format!("{high}, {low}"), "");
    let config = config::parse(&text, "s").unwrap();
    let explained = config::explain(&config);
    assert!(explained.contains("- name: high\n") && explained.contains("- name: low\n"), "{explained}");
    let (_, outputs) = airchain::from_config::station(&config).unwrap();
    let [output] = &outputs[..] else { panic!("{} outputs", outputs.len()) };
    let Target::Hls(target) = &output.target else { panic!("{}", output.target.kind()) };
    let formats: Vec<_> =
        target.renditions.iter().map(|r| (r.name.as_str(), r.format.codec, r.format.bitrate)).collect();
    assert_eq!(output.format.codec, Codec::HeAacV1);
    assert_eq!(
        formats,
        [("high", Codec::AacLc, Bitrate::Cbr(128)), ("low", Codec::HeAacV2, Bitrate::Cbr(32))]
    );

    let place = "mounts[0].outputs[0].renditions";
    for (renditions, field) in [
        ("{ name: High }, { name: high, bitrate_kbps: 64 }", "[1].name"),
        ("{ name: live.m3u8 }", "[0].name"),
        ("{ name: 1772344800000-7.ts }", "[0].name"),
        ("{ name: a/b }", "[0].name"),
        ("{ name: a, format: opus }", "[0].format"),
        ("{ name: a, format: he-aac, bitrate_kbps: 600 }", "[0].bitrate_kbps"),
    ] {
        assert_eq!(error(&hls(renditions, "")).field, format!("{place}{field}"), "{renditions}");
    }
    let inside = error(&hls(high, ", { type: hls, path: h/high }"));
    assert_eq!(inside.field, "mounts[0].outputs[1].path");
}

/// What the only output of a station file is to the engine.
fn target_of(output: &str) -> Target {
    let text = with(&format!("mounts: [{{ id: m, outputs: [{output}] }}]"));
    let config = config::parse(&text, "s").expect("a station file");
    let (_, outputs) = airchain::from_config::station(&config).expect("a station");
    outputs.into_iter().next().expect("an output").target
}

#[test]
fn what_listeners_of_a_mount_are_told_and_how_many_there_may_be() {
    let of = |output: &str| match target_of(output) {
        Target::Http { meta, options, .. } => (meta, options),
        other => panic!("{}", other.kind()),
    };
    let (meta, options) = of("{ type: http }");
    assert_eq!((meta.name.as_str(), meta.description, meta.genre, meta.url), ("s", None, None, None));
    let usual = MountOptions { burst: Some(Duration::from_secs(2)), ..MountOptions::default() };
    assert_eq!((options.mount, options.trusted_proxies), (usual, Vec::new()));
    let (meta, options) =
        of("{ type: http, name: A, description: B, genre: C, website: D, burst_sec: 0.5, max_listeners: 7, \
         max_listeners_per_address: 5, trusted_proxies: [127.0.0.1, '10.0.0.0/8'] }");
    let said = [Some(meta.name), meta.description, meta.genre, meta.url];
    assert_eq!(said.map(|said| said.expect("said")), ["A", "B", "C", "D"]);
    let burst = Some(Duration::from_millis(500));
    let mount = MountOptions { burst, max_listeners: Some(7), max_per_address: Some(5) };
    assert_eq!(options.mount, mount);
    assert_eq!(options.trusted_proxies, ["127.0.0.1", "10.0.0.0/8"].map(|network| network.parse().unwrap()));

    let problem =
        error(&with("mounts: [{ id: m, outputs: [{ type: http, trusted_proxies: ['::1', proxy] }] }]"));
    assert_eq!(
        (problem.field.as_str(), problem.value.as_deref(), problem.problem.as_str()),
        ("mounts[0].outputs[0].trusted_proxies[1]", Some("proxy"), "not an address or network")
    );
}

#[test]
fn an_icecast_server_may_have_an_authority_of_its_own() {
    let output =
        "{ type: icecast, url: 'icecasts://:p@h/m', ca_file: /etc/ssl/my.pem, website: 'http://w/' }";
    let Target::Icecast(target) = target_of(output) else { panic!("another target") };
    assert_eq!(target.ca_file.as_deref(), Some("/etc/ssl/my.pem".as_ref()));
    assert_eq!(target.homepage.as_deref(), Some("http://w/"));
}

#[cfg(feature = "srt")]
#[test]
fn an_srt_receiver_has_host_port_and_perhaps_a_passphrase() {
    let output =
        "{ type: srt, url: 'srt://h:9000', latency_ms: 500, stream_id: live, passphrase: s3cret-s3cret }";
    let Target::Srt(target) = target_of(output) else { panic!("another target") };
    assert_eq!((target.url.as_str(), target.latency), ("srt://h:9000", Duration::from_millis(500)));
    assert_eq!(
        (target.stream_id.as_deref(), target.passphrase.as_deref()),
        (Some("live"), Some("s3cret-s3cret"))
    );
    for (fields, field) in [
        ("url: 'srt://h'", "url"),
        ("url: 'srt://h:9000?passphrase=s3cret-s3cret'", "url"),
        ("url: 'srt://h:9000', passphrase: s3cret", "passphrase"),
        ("url: 'srt://h:9000', format: opus", "format"),
    ] {
        let problem = error(&with(&format!("mounts: [{{ id: m, outputs: [{{ type: srt, {fields} }}] }}]")));
        assert_eq!(problem.field, format!("mounts[0].outputs[0].{field}"), "{fields}");
        assert!(!problem.to_string().contains("s3cret"), "{problem}");
    }
}

#[test]
fn one_mistake_is_one_error() {
    // A bit rate out of range is not reported again as one that MP3 does not have.
    assert_eq!(
        error(&with("mounts: [{ id: m, outputs: [{ type: http, bitrate_kbps: 5000 }] }]")).problem,
        "out of range"
    );
    assert_eq!(
        error(&with("mounts: [{ id: m, outputs: [{ type: icecast }] }]")).field,
        "mounts[0].outputs[0].url"
    );
    assert_eq!(error("mounts: []").field, "station");
}

#[test]
fn the_environment_fills_in_values() {
    // CARGO_PKG_NAME is set for every test that cargo runs.
    let config = config::parse("station: { id: \"${CARGO_PKG_NAME}\", name: \"$${HOME}\" }", "s").unwrap();
    assert_eq!((config.station.id.as_str(), config.station.name.as_str()), ("airchain", "${HOME}"));
    let minor = "station: { id: s, block_ms: \"1${CARGO_PKG_VERSION_MAJOR}\" }";
    assert_eq!(config::parse(minor, "s").unwrap().station.block_ms, 10);
    let problem = error("station: { id: s }\nautomation: { playlist: [\"${NO_SUCH_NAME_9}/music\"] }");
    assert_eq!(problem.field, "automation.playlist[0]");
    assert_eq!(problem.problem, "${NO_SUCH_NAME_9} is not in the environment");
    assert_eq!(error("station: { id: s, name: \"${OPEN\" }").problem, "a ${ without its }");
}

/// A station with HLS outputs of these fields.
fn with_hls(outputs: &[&str]) -> String {
    let outputs: Vec<String> = outputs.iter().map(|fields| format!("{{ type: hls, {fields} }}")).collect();
    with(&format!("mounts: [{{ id: m, outputs: [{}] }}]", outputs.join(", ")))
}

#[test]
fn stores_have_a_place_of_their_own() {
    let good = with_hls(&[
        "path: h",
        "store: { type: local, path: i }",
        "store: { type: s3, bucket: b, prefix: a/b }",
        "store: { type: s3, bucket: b, prefix: a/b, endpoint: 'http://minio:9000' }",
        "store: { type: put, url: 'https://h/in/a', user: dj, password: pw, headers: ['X-Key: 1'] }",
        "store: { type: put, url: 'https://h/in/b' }, renditions: [{ name: low }]",
    ]);
    let config = config::parse(&good, "s").unwrap();
    let explained = config::explain(&config);
    assert!(
        explained.contains("type: put") && !explained.contains("pw") && !explained.contains("X-Key"),
        "{explained}"
    );
    let output = "mounts[0].outputs[0]";
    for (fields, field) in [
        ("format: aac", "path"),
        ("store: { type: local }", "path"),
        ("store: { type: s3, bucket: a/b }", "store.bucket"),
        ("store: { type: s3, bucket: b, prefix: a//b }", "store.prefix"),
        ("store: { type: s3, bucket: b, region: 'a b' }", "store.region"),
        ("store: { type: s3, bucket: b, endpoint: 'https://id:hackme@h' }", "store.endpoint"),
        ("store: { type: put }", "store.url"),
        ("store: { type: put, url: 'ftp://dj:hackme@h/x' }", "store.url"),
        ("store: { type: put, url: 'https://h/x', headers: [hackme] }", "store.headers"),
        ("store: { type: put, url: 'https://h/x', headers: ['Host: hackme'] }", "store.headers"),
        ("store: { type: put, url: 'https://h/x', user: 'a:b' }", "store.user"),
    ] {
        let problem = error(&with_hls(&[fields]));
        assert_eq!(problem.field, format!("{output}.{field}"), "{fields}");
        assert!(!format!("{problem} {problem:?}").contains("hackme"), "{problem}");
    }
    for [a, b] in [
        ["store: { type: s3, bucket: b, prefix: a }", "store: { type: s3, bucket: b, prefix: a/ }"],
        [
            "store: { type: put, url: 'https://h/x' }",
            "store: { type: put, url: 'https://dj:hackme@h:443/x/?a=b' }",
        ],
        [
            "store: { type: put, url: 'https://h/x/low' }",
            "store: { type: put, url: 'https://h/x' }, renditions: [{ name: low }]",
        ],
        ["path: h", "store: { type: local, path: h }"],
    ] {
        let problem = error(&with_hls(&[a, b]));
        assert!(problem.problem.contains("has it already"), "{a} {b}: {problem}");
    }
}

#[test]
fn secrets_stay_secret() {
    for text in [
        with("mounts: [{ id: m, outputs: [{ type: icecast, url: 'icecast://source:hackme@/x' }] }]"),
        with("mounts: [{ id: m, outputs: [{ type: icecast, url: 'source:hackme@host/x' }] }]"),
        with("mounts: [{ id: m, outputs: [{ type: icecast, url: 'icecast://source:hackme@host/' }] }]"),
        with(
            "mounts: [{ id: m, outputs: [{ type: icecast, pasword: hackme, url: 'icecast://source:hackme@host/m' }] }]",
        ),
        with(
            "mounts: [{ id: m, outputs: [{ type: hls, path: h, store: { type: s3, bucket: b, secret_access_key: \"hackme\\n\" } }] }]",
        ),
        with_hls(&["store: { type: put, url: 'https://dj:hackme@h/x#y', password: hackme }"]),
        with_hls(&["store: { type: put, url: 'https://h/x', headers: [\"X: hackme\\n\"] }"]),
        with_hls(&["store: { type: put, url: 'https://h/x', headers: hackme }"]),
        with("mounts: [{ id: m, outputs: [icecast://source:hackme@host/x] }]"),
    ] {
        let errors = config::parse(&text, "s").unwrap_err();
        assert!(
            !format!("{errors} {errors:?} {}", serde_json::to_string(&errors).unwrap()).contains("hackme"),
            "{errors}"
        );
    }
    let config = config::parse(&SAMPLE.replace(":password@", ":hackme@"), "s").unwrap();
    let explained = config::explain(&config);
    assert!(!explained.contains("hackme") && explained.contains("source:***@localhost"), "{explained}");
}

#[test]
fn what_is_explained_is_a_station_file() {
    let text = SAMPLE.replace(":password@", ":***@");
    let config = config::parse(&text, "s").unwrap();
    let explained = config::explain(&config);
    let mut again = config::parse(&explained, "explained").unwrap();
    // Explained nodes have all their parameters, declared ones those that were set.
    for (node, declared) in again.dsp_graph.nodes.iter_mut().zip(&config.dsp_graph.nodes) {
        node.config.retain(|param, _| declared.config.contains_key(param));
    }
    assert_eq!(again, config, "{explained}");
    assert!(explained.contains("block_ms: 10  # default"), "{explained}");
    assert!(explained.contains("# seed: not set (a new order at every start)"), "{explained}");
}

#[test]
fn anchors_and_merges_work() {
    let config = config::parse(
        "station: { id: s }\nmounts:\n  - id: m\n    outputs:\n      - &rec { type: recording, path: a, format: wav }\n      - { <<: *rec, path: b }\n",
        "s",
    );
    let config = config.unwrap();
    let OutputConfig::Recording(second) = &config.mounts[0].outputs[1] else { panic!() };
    assert_eq!((second.path.to_str(), second.encoding.format), (Some("b"), AudioFormat::Wav));
}

#[test]
fn hostile_text_is_refused_quickly() {
    let bomb: String = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(","))
    });
    assert!(error(&bomb).problem.contains("too many values"));
    assert!(error(&"[".repeat(10_000)).line.is_some());
    assert!(error(&format!("a: {}1{}", "[".repeat(60), "]".repeat(60))).problem.contains("nested"));
    assert!(error(&"x".repeat(2 << 20)).problem.contains("bytes"));
    assert!(error("station: &s { id: *s }").line.is_some());
    assert!(error("station: {id: a}\n---\nstation: {id: b}\n").problem.contains("second document"));
    assert!(error("station: { id: !!python/object x }").problem.contains("tag"));
    assert_eq!(error("station: [unclosed").field, "");
    assert_eq!(error("").field, "station");
    let many: String = (0..5000).map(|n| format!("unknown_{n}: 1\n")).collect();
    assert!(errors(&many).len() <= 201);
}

#[test]
fn files_are_found_beside_the_station_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.yaml");
    std::fs::write(&file, "station: { id: s }\nautomation: { playlist: [music, /abs, 'http://h/x.mp3'] }\n")
        .unwrap();
    let playlist = config::load(&file).unwrap().automation.playlist;
    assert_eq!(playlist, [folder.path().join("music").to_str().unwrap(), "/abs", "http://h/x.mp3"]);
    let missing = config::load(&folder.path().join("none.yaml")).unwrap_err().to_string();
    assert!(missing.contains("none.yaml") && missing.contains("cannot be read"), "{missing}");
    std::fs::write(&file, b"\xff\xfe\x00").unwrap();
    assert!(config::load(&file).unwrap_err().to_string().contains("not text"));
}

#[test]
fn chains_come_as_list_or_section() {
    for text in ["nodes: []", "[]", ""] {
        assert_eq!(config::parse_chain(text, "c").unwrap(), [], "{text}");
    }
    let errors = config::parse_chain("- { type: nonsense_node_xyz }", "c").unwrap_err();
    assert_eq!(errors.problems[0].field, "nodes[0].type");
}

#[test]
fn a_chain_may_be_a_preset() {
    for (word, name) in [("speech", "speech"), ("Broadcast", "broadcast")] {
        let config = config::parse(&with(&format!("dsp_graph: {{ preset: {word} }}")), "s").unwrap();
        let preset = airchain_core::presets::find(name).unwrap();
        assert_eq!(airchain::from_config::chain(&config.dsp_graph.chain()), preset.nodes());
        let explained = config::explain(&config);
        assert!(explained.contains(&format!("  preset: {name}\n  # {}\n", preset.summary)), "{explained}");
        assert!(explained.contains("  # - type: limiter\n"), "{explained}");
        assert_eq!(config::parse(&explained, "explained").unwrap(), config, "{explained}");
    }
    let both = error(&with("dsp_graph: { preset: loud, nodes: [{ type: gain }] }"));
    assert_eq!(
        (both.field.as_str(), both.accepted.as_deref()),
        ("dsp_graph.preset", Some("one or the other"))
    );
    let unknown = error(&with("dsp_graph: { preset: laud }"));
    assert!(unknown.accepted.unwrap().contains("gentle"), "the presets are named");
    assert_eq!(config::parse_chain("preset: safe", "c").unwrap()[0].kind, "limiter");
    let both = config::parse_chain("{ preset: safe, nodes: [{ type: gain }] }", "c").unwrap_err();
    assert_eq!(both.problems[0].field, "preset");
}

#[test]
fn nodes_go_by_their_other_names() {
    let text =
        with("dsp_graph: { nodes: [{ type: eq }, { type: Parametric-EQ }, { type: true_peak_limiter }] }");
    let kinds: Vec<String> =
        config::parse(&text, "s").unwrap().dsp_graph.nodes.into_iter().map(|node| node.kind).collect();
    assert_eq!(kinds, ["equalizer", "equalizer", "limiter"]);
}

#[test]
fn a_schedule_says_when_and_what() {
    let config = config::parse(
        &with(
            r#"automation: { playlist: [music], start: "2026-01-01T00:00:00Z" }
schedule:
  - { at: "12:00:00", days: [mon, Fri], path: news.mp3, fade_sec: 1 }
  - { at: ":59:50", every: hour, path: pips.wav }
  - { at: "2026-11-28T12:00:00", mode: soft, until: "2026-11-28T12:10:00", path: ad.mp3, title: Ad }
  - { ends_at: 18:00, path: countdown.wav, cue_in_sec: 2, cue_out_sec: 60 }
  - { at: "23:50", until: "23:59:60", mode: fill, pool: [fill, more.m3u] }
"#,
        ),
        "s",
    );
    let config = config.unwrap();
    assert_eq!(config.automation.start.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(config.schedule[0].days, [config::Day::Mon, config::Day::Fri]);
    assert_eq!(config.schedule[2].mode, Some(config::ScheduleMode::Soft));
    assert_eq!(config.schedule[3].ends_at.as_deref(), Some("18:00"));
    assert_eq!(config.schedule[4].pool, ["fill", "more.m3u"]);
    let again = config::parse(&config::explain(&config), "explained").unwrap();
    assert_eq!(again, config);
}

#[test]
fn a_schedule_that_cannot_be_meant_is_refused() {
    for (row, field, words) in [
        ("{ path: a }", "at", "missing (when it starts); give at or ends_at"),
        ("{ at: \"12:00\", ends_at: \"13:00\", path: a }", "at", "are both given"),
        (
            "{ at: noon, path: a }",
            "at",
            "\"noon\": not a time; give 12:00:00 (every day), :59:50 (every hour) or",
        ),
        ("{ at: \"25:00\", path: a }", "at", "not a time"),
        ("{ at: \"2026-02-30T12:00:00\", path: a }", "at", "not a time"),
        (
            "{ at: \"2026-03-08T02:30:00\", path: a }",
            "at",
            "never comes: the clocks are put forward over it, to 03:30:00",
        ),
        (
            "{ at: \"12:00\", mode: hrad, path: a }",
            "mode",
            "\"hrad\": not one of the words for it; give hard, soft or fill",
        ),
        ("{ ends_at: \"12:00\", mode: hard, path: a }", "mode", "give ends_at without mode, or at with it"),
        ("{ at: \"12:00\" }", "path", "missing (the audio file)"),
        ("{ at: \"12:00\", path: a, pool: [b] }", "pool", "only a fill has a pool"),
        ("{ at: \"12:00\", path: a, until: \"12:10\" }", "until", "comes at its time or not at all"),
        ("{ at: \"12:00\", mode: soft, path: a, fade_sec: 2 }", "fade_sec", "waits until what runs is over"),
        ("{ at: \"12:00\", mode: soft, path: a, until: \"12:00:00\" }", "until", "the very time of at"),
        (
            "{ at: \"12:00\", mode: soft, path: a, until: \"2026-11-28T12:00:00\" }",
            "until",
            "comes once, at does not",
        ),
        (
            "{ at: \"2026-11-28T12:00:00\", mode: soft, path: a, until: \"2026-11-28T16:00:00Z\" }",
            "until",
            "before at",
        ),
        ("{ at: \"12:00\", mode: fill, until: \"12:10\" }", "pool", "missing (what to fill with)"),
        ("{ at: \"12:00\", mode: fill, pool: [a] }", "until", "missing (the time to fill to)"),
        (
            "{ at: \"12:00\", mode: fill, pool: [a], until: \"12:10\", path: a }",
            "path",
            "plays what is in its pool",
        ),
        ("{ at: \"12:00\", every: hour, path: a }", "at", "give minute and second, such as :59:50"),
        ("{ at: \":30\", every: day, path: a }", "at", "give a time of day, such as 12:00:00"),
        ("{ at: \"2026-11-28T12:00:00\", days: [mon], path: a }", "days", "it comes once"),
        ("{ at: \"12:00\", days: [moon], path: a }", "days[0]", "give mon, tue, wed"),
        ("{ at: \"12:00\", path: a, cue_in_sec: 5, cue_out_sec: 5 }", "cue_out_sec", "not after cue_in_sec"),
        ("{ at: \"12:00\", path: a, gain_db: 100 }", "gain_db", "out of range"),
        ("{ at: \"12:00\", path: a, cue_out: 5 }", "cue_out", "unknown field; give cue_out_sec"),
    ] {
        let text = format!("station: {{ id: s, timezone: America/New_York }}\nschedule:\n  - {row}\n");
        let problem = error(&text);
        assert_eq!(problem.field, format!("schedule[0].{field}"), "{row}: {problem}");
        assert!(problem.to_string().contains(words), "{row}: {problem}");
        assert_eq!(problem.line, Some(3), "{row}: {problem}");
    }
    let problem = error(&with("automation: { order: shuffle, start: \"2026-01-01T00:00:00Z\" }"));
    assert_eq!(problem.field, "automation.start");
    let problem = error(&with("automation: { start: \"2026-01-01T00:00:00\" }"));
    assert!(problem.to_string().contains("with Z or an offset"), "{problem}");
}

#[test]
fn passthrough_is_for_what_can_be_copied() {
    let station = |rate: u32, output: &str, rest: &str| {
        format!(
            "station: {{ id: s, sample_rate: {rate} }}\nmounts: [{{ id: m, outputs: [{{ type: recording, path: r, {output}, passthrough: true }}] }}]\n{rest}"
        )
    };
    for format in ["format: mp3", "format: aac", "format: mp3, mode: vbr"] {
        let config = config::parse(&station(44_100, format, ""), "station.yaml").unwrap();
        assert!(config.mounts[0].outputs[0].encoding().unwrap().passthrough);
        assert!(airchain::from_config::station(&config).unwrap().1[0].passthrough);
    }
    for (rate, format, problem) in [
        (48_000, "format: opus", "only for mp3 and aac, this is opus"),
        (48_000, "format: he-aac", "only for mp3 and aac, this is he-aac"),
        (48_000, "format: mp3, sample_rate: 44100", "the output is at 44100 Hz, the station at 48000"),
        (24_000, "format: aac", "only for rates above 24000 Hz"),
    ] {
        let found = error(&station(rate, format, ""));
        assert_eq!(found.field, "mounts[0].outputs[0].passthrough");
        assert!(found.problem.contains(problem), "{}", found.problem);
    }
    let warned = |rest: &str| {
        let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
        std::io::Write::write_all(&mut file, station(44_100, "format: mp3", rest).as_bytes()).unwrap();
        config::check(file.path())
            .problems
            .iter()
            .any(|problem| problem.problem.contains("nothing is copied"))
    };
    assert!(warned("dsp_graph: { preset: broadcast }"));
    assert!(!warned("dsp_graph: { nodes: [{ type: silence_detector }] }"));
}
