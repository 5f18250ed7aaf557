//! Cue points, start of the next and end of an intro, of endings and beginnings as music has them.

use super::*;

/// One stretch: so many seconds from one level in dBFS to another, in a straight line of decibels.
type Stretch = (f64, f64, f64);

/// What is played in a stretch.
#[derive(Clone, Copy)]
enum Voice {
    /// A chord.
    Chord,
    /// Noise, as of vinyl, tape, a room.
    Noise,
    /// A note each half second that falls by 20 dB until the next.
    Notes,
}
use Voice::{Chord, Noise, Notes};

const RATE: u32 = 44_100;

impl Bench {
    /// A programme in stereo, of an RMS of so many dBFS: a number of dBFS is one of LUFS, within 2 dB.
    fn programme(&self, stretches: &[(Voice, Stretch)]) -> PathBuf {
        let (mut samples, mut seed) = (Vec::new(), 1_u32);
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1 << 23) - 1.0
        };
        for (voice, (seconds, from_db, to_db)) in stretches {
            let frames = (seconds * f64::from(RATE)).round() as usize;
            for n in 0..frames {
                let t = n as f64 / f64::from(RATE);
                let chord =
                    || [220.0, 277.2, 329.6].map(|hz| (TAU * hz * t).sin()).iter().sum::<f64>() / 1.73;
                let (wave, offset_db) = match voice {
                    Chord => (chord(), 0.0),
                    Noise => (noise(), 1.8),
                    Notes => (chord(), -40.0 * (t % 0.5) + 5.0),
                };
                let level_db = from_db + (to_db - from_db) * n as f64 / frames as f64 + offset_db;
                let sample = (10.0_f64.powf((level_db) / 20.0) * wave) as f32;
                samples.extend([sample, sample]);
            }
        }
        self.file("programme.wav", RATE, 2, &samples)
    }

    /// The points of a programme that plays for half a minute and then ends like this.
    fn ending(&self, stretches: &[(Voice, Stretch)]) -> Analysis {
        let body = [(Chord, (30.0, -18.0, -18.0))];
        measured(&self.programme(&[&body, stretches].concat()))
    }
}

#[test]
fn silence_at_either_end_is_cut_at_the_set_level() {
    let bench = Bench::new();
    for rate in [44_100, 22_050, 48_000] {
        let analysis = measured(&bench.tones(rate, &[(1.5, SILENCE), (6.0, -18.0), (2.5, SILENCE)]));
        close(analysis.cue_in_s, 1.5, 0.011, "cue in");
        close(analysis.cue_out_s, 7.5, 0.021, "cue out");
        close(analysis.start_next_s, 7.5, 0.05, "start next of a sudden end");
        assert_eq!(analysis.frames, Some(u64::from(rate) * 10));
        assert_eq!(analysis.duration_s, Some(10.0));
    }
    // Noise under the programme is no programme, unless the level is set lower.
    let path = bench.tones(48_000, &[(2.0, -68.0), (4.0, -20.0), (2.0, -68.0)]);
    let analysis = measured(&path);
    close(analysis.cue_in_s, 2.0, 0.011, "cue in above noise");
    close(analysis.cue_out_s, 6.0, 0.021, "cue out above noise");
    let analysis = analyze(&path, &Options { cue_lu: -50.0, ..Options::default() });
    close(analysis.cue_in_s, 0.0, 0.011, "cue in within noise");
    close(analysis.cue_out_s, 8.0, 0.001, "cue out within noise");
}

#[test]
fn a_fade_gives_an_early_start_next() {
    let bench = Bench::new();
    // 6 dB per second.
    let analysis = bench.ending(&[(Chord, (10.0, -18.0, -78.0))]);
    close(analysis.start_next_s, 32.0, 0.5, "12 LU down after two seconds");
    close(analysis.cue_out_s, 37.5, 0.5, "45 LU down");
    let set = Options { start_next_lu: -24.0, ..Options::default() };
    close(analyze(Path::new(&analysis.path), &set).start_next_s, 34.0, 0.5, "24 LU down after four");
    // 1 dB per second, of notes: 33 s from 12 LU down to cue out are long, so it has to be 24 LU down; and then all
    // that is left may lie under the next item.
    for voice in [Chord, Notes] {
        let analysis = bench.ending(&[(voice, (60.0, -18.0, -78.0))]);
        close(analysis.start_next_s, 54.0, 1.5, "24 LU down after 24 s");
        // The first 10 ms of a note are louder than the whole of it.
        close(analysis.cue_out_s, 77.0, 3.0, "45 LU down");
    }
}

#[test]
fn a_sustained_ending_is_heard_to_its_end() {
    let bench = Bench::new();
    // A last chord that stops dead: as loud as the rest, softer, and falling a little.
    for (from_db, to_db) in [(-18.0, -18.0), (-32.0, -32.0), (-31.0, -35.0), (-40.0, -40.0)] {
        let analysis = bench.ending(&[(Chord, (9.0, from_db, to_db))]);
        close(analysis.cue_out_s, 39.0, 0.011, "cue out");
        close(analysis.start_next_s, 39.0, 0.05, &format!("start next of {from_db} to {to_db}"));
    }
    // The same that rings out.
    let analysis = bench.ending(&[(Chord, (9.0, -18.0, -63.0))]);
    close(analysis.start_next_s, 32.4, 0.5, "12 LU down");
    // A soft ending, over half a minute long.
    let analysis = bench.ending(&[(Notes, (40.0, -34.0, -34.0))]);
    close(analysis.start_next_s, 70.0, 0.5, "soft notes");
}

#[test]
fn a_long_quiet_tail_is_no_programme() {
    let bench = Bench::new();
    // Vinyl, a room, and what a church does to a last chord.
    for tail in [
        &[(Noise, (40.0, -50.0, -50.0))][..],
        &[(Noise, (40.0, -46.0, -52.0))],
        &[(Chord, (3.0, -18.0, -48.0)), (Noise, (40.0, -50.0, -50.0))],
        &[(Chord, (4.0, -18.0, -44.0)), (Chord, (20.0, -44.0, -70.0))],
        &[(Noise, (12.0, -50.0, -50.0))],
    ] {
        let analysis = bench.ending(tail);
        let start_next = analysis.start_next_s.unwrap();
        assert!((29.9..34.5).contains(&start_next), "{start_next} s, {tail:?}", tail = tail.len());
        assert!(analysis.cue_out_s.unwrap() > 41.0);
    }
    // But something quiet that begins after a pause is.
    let hidden = [(Noise, (20.0, -62.0, -62.0)), (Notes, (20.0, -46.0, -46.0))];
    let analysis = bench.ending(&hidden);
    close(analysis.start_next_s, 70.0, 1.0, "after what is hidden");
}

#[test]
fn an_intro_ends_where_the_programme_comes_in() {
    let bench = Bench::new();
    let body = (Notes, (40.0, -18.0, -18.0));
    for seconds in [4.0, 12.5, 18.0] {
        let analysis = measured(&bench.programme(&[(Chord, (seconds, -30.0, -30.0)), body]));
        close(analysis.intro_end_s, seconds, 0.1, "a band comes in");
    }
    for (what, beginning) in [
        ("nothing", &[][..]),
        ("as loud", &[(Chord, (10.0, -19.0, -19.0))]),
        ("swelling", &[(Chord, (20.0, -38.0, -18.0))]),
        (
            "a burst that does not stay",
            &[(Chord, (5.0, -30.0, -30.0)), (Chord, (1.0, -18.0, -18.0)), (Chord, (8.0, -30.0, -18.0))],
        ),
        ("too short", &[(Chord, (1.0, -30.0, -30.0))]),
        ("quieter than what follows much later", &[(Chord, (70.0, -30.0, -30.0))]),
    ] {
        let analysis = measured(&bench.programme(&[beginning, &[body]].concat()));
        assert_eq!(analysis.intro_end_s, None, "{what}");
    }
}

#[test]
fn a_tag_knows_better_where_an_intro_ends() {
    let bench = Bench::new();
    let path = bench.programme(&[(Chord, (10.0, -30.0, -30.0)), (Chord, (40.0, -18.0, -18.0))]);
    for (tag, expected) in [
        ("INTRO=12.25", 12.25),
        ("intro_end=0:14.5", 14.5),
        ("Intro_End_s=7", 7.0),
        // Nonsense is none.
        ("INTRO=a minute", 10.0),
        ("INTRO=1000", 10.0),
        ("INTRO=NaN", 10.0),
    ] {
        let tagged = path.with_extension("flac");
        let mut encode = Command::new("ffmpeg");
        encode
            .args(["-nostdin", "-loglevel", "error", "-y", "-i"])
            .arg(&path)
            .args(["-metadata", tag])
            .arg(&tagged);
        assert!(encode.status().expect("ffmpeg is needed by this test").success());
        close(measured(&tagged).intro_end_s, expected, 0.1, tag);
    }
}
