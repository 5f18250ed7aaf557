//! Composes and plays the demo programme in `demo/`: four short pieces and a station chime, from nothing but
//! arithmetic. `make demo` runs it; ffmpeg encodes what it writes.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

const RATE: f64 = 48_000.0;

/// A stereo mix being played into.
struct Mix {
    frames: Vec<[f64; 2]>,
}

/// How an instrument sounds: amplitudes of its partials, how fast it speaks and decays (seconds), and how far its
/// two voices are out of tune.
struct Voice {
    partials: &'static [f64],
    attack_s: f64,
    decay_s: f64,
    detune: f64,
}

const PLUCK: Voice =
    Voice { partials: &[1.0, 0.5, 0.28, 0.12, 0.08, 0.03], attack_s: 0.004, decay_s: 0.35, detune: 1.001 };
const BELL: Voice =
    Voice { partials: &[1.0, 0.0, 0.35, 0.0, 0.2, 0.1, 0.06], attack_s: 0.002, decay_s: 0.9, detune: 1.0 };
const PAD: Voice =
    Voice { partials: &[1.0, 0.35, 0.2, 0.1, 0.05], attack_s: 0.35, decay_s: 4.0, detune: 1.004 };
const BASS: Voice = Voice { partials: &[1.0, 0.45, 0.15, 0.05], attack_s: 0.01, decay_s: 0.5, detune: 1.0 };

impl Mix {
    fn new(seconds: f64) -> Self {
        Self { frames: vec![[0.0; 2]; (seconds * RATE) as usize] }
    }

    /// Adds `sample(t)`, `t` in seconds from `start_s`, for `length_s`; `pan` from -1 (left) to 1, equal power.
    fn add(&mut self, start_s: f64, length_s: f64, pan: f64, mut sample: impl FnMut(f64) -> f64) {
        let first = (start_s * RATE) as usize;
        let (right, left) = ((pan + 1.0) * TAU / 8.0).sin_cos();
        for (n, frame) in self.frames.iter_mut().skip(first).take((length_s * RATE) as usize).enumerate() {
            let value = sample(n as f64 / RATE);
            frame[0] += value * left;
            frame[1] += value * right;
        }
    }

    /// A note of `midi` pitch that is held for `held_s`.
    fn note(&mut self, voice: &Voice, start_s: f64, held_s: f64, midi: i32, level: f64, pan: f64) {
        let hz = 440.0 * 2.0_f64.powf(f64::from(midi - 69) / 12.0);
        let release_s = 0.25 * voice.decay_s.min(1.0);
        for detune in [voice.detune, 1.0 / voice.detune] {
            self.add(start_s, held_s + release_s, pan, |t| {
                let attack = (t / voice.attack_s).min(1.0);
                let release = ((held_s + release_s - t) / release_s).clamp(0.0, 1.0);
                let envelope = attack * (-t / voice.decay_s).exp() * release;
                let tone = voice.partials.iter().enumerate().map(|(partial, amplitude)| {
                    let number = (partial + 1) as f64;
                    // High partials die first, as they do on strings and bells.
                    amplitude
                        * (-t * number / (voice.decay_s * 6.0)).exp()
                        * (TAU * hz * detune * number * t).sin()
                });
                0.5 * level * envelope * tone.sum::<f64>()
            });
        }
    }

    fn kick(&mut self, start_s: f64) {
        // A sine that falls from 150 Hz to 45 Hz; its phase is the integral of that.
        self.add(start_s, 0.3, 0.0, |t| {
            let phase = 45.0 * t + (150.0 - 45.0) * 0.03 * (1.0 - (-t / 0.03).exp());
            0.75 * (-t / 0.09).exp() * (TAU * phase).sin()
        });
    }

    fn noise(&mut self, start_s: f64, decay_s: f64, level: f64, pan: f64) {
        let (mut seed, mut last) = (start_s.to_bits() ^ 0x9E37_79B9_7F4A_7C15, 0.0);
        self.add(start_s, decay_s * 6.0, pan, |t| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let white = (seed >> 33) as f64 / f64::from(1_u32 << 30) - 1.0;
            // The difference of neighbours is a high-pass: a hat hisses, it does not rumble.
            let high = white - last;
            last = white;
            level * (-t / decay_s).exp() * high
        });
    }

    /// Echoes from side to side, a soft ceiling, and -3 dBFS at the loudest.
    fn master(mut self) -> Vec<[f32; 2]> {
        let delay = (0.31 * RATE) as usize;
        for n in delay..self.frames.len() {
            let echo = self.frames[n - delay];
            self.frames[n][0] += 0.24 * echo[1];
            self.frames[n][1] += 0.24 * echo[0];
        }
        for sample in self.frames.iter_mut().flatten() {
            *sample = (1.2 * *sample).tanh();
        }
        let peak = self.frames.iter().flatten().fold(1e-9_f64, |peak, sample| peak.max(sample.abs()));
        // The last half second fades, so that no echo is cut.
        let (total, fade) = (self.frames.len(), 0.5 * RATE);
        let gain = |n: usize| 0.708 / peak * ((total - n) as f64 / fade).min(1.0);
        self.frames
            .iter()
            .enumerate()
            .map(|(n, [l, r])| [(l * gain(n)) as f32, (r * gain(n)) as f32])
            .collect()
    }
}

/// Chords under an arpeggio: one chord a bar, eight notes a bar, `steps` choosing the chord's notes.
fn arpeggio(mix: &mut Mix, voice: &Voice, bar_s: f64, chords: &[[i32; 4]], steps: [usize; 8]) {
    for (bar, chord) in chords.iter().enumerate() {
        let start_s = bar as f64 * bar_s;
        for note in &chord[1..] {
            mix.note(&PAD, start_s, bar_s, *note, 0.10, 0.3 * f64::from(note % 3 - 1));
        }
        for (eighth, step) in steps.iter().enumerate() {
            let at = start_s + bar_s * eighth as f64 / 8.0;
            let pan = 0.5 * (0.9 * (bar * 8 + eighth) as f64).sin();
            mix.note(voice, at, bar_s / 6.0, chord[step % 4] + 12 * (step / 4) as i32, 0.26, pan);
        }
        mix.note(&BASS, start_s, bar_s * 0.45, chord[0] - 12, 0.36, 0.0);
        mix.note(&BASS, start_s + bar_s * 0.5, bar_s * 0.4, chord[0] - 12, 0.30, 0.0);
    }
}

fn morning() -> Mix {
    let mut mix = Mix::new(18.5);
    let chords = [[60, 64, 67, 71], [57, 60, 64, 67], [53, 57, 60, 64], [55, 59, 62, 65]];
    let song: Vec<[i32; 4]> = chords.iter().chain(&chords).copied().chain([[60, 64, 67, 72]]).collect();
    arpeggio(&mut mix, &PLUCK, 2.0, &song, [0, 2, 3, 5, 6, 5, 3, 2]);
    mix
}

fn relay() -> Mix {
    let mut mix = Mix::new(17.0);
    let bar = 60.0 / 118.0 * 4.0;
    let chords = [[50, 53, 57, 60], [46, 50, 53, 57], [53, 57, 60, 64], [48, 52, 55, 58]];
    let song: Vec<[i32; 4]> = chords.iter().cycle().take(8).copied().collect();
    arpeggio(&mut mix, &PLUCK, bar, &song, [4, 0, 2, 4, 3, 0, 2, 5]);
    for beat in 0..31 {
        let at = f64::from(beat) * bar / 4.0;
        mix.kick(at);
        mix.noise(at + bar / 8.0, 0.03, 0.10, 0.3);
        if beat % 2 == 1 {
            mix.noise(at, 0.07, 0.16, -0.1);
        }
    }
    mix
}

fn lantern() -> Mix {
    let mut mix = Mix::new(21.0);
    let (beat, melody) = (
        0.75,
        [76, 79, 83, 81, 79, 76, 74, 71, 72, 76, 79, 78, 76, 72, 71, 69, 71, 74, 78, 76, 74, 71, 76, 76],
    );
    for (n, note) in melody.iter().enumerate() {
        let pan = 0.4 * (n as f64).cos();
        mix.note(&BELL, n as f64 * beat, beat * 1.2, *note, 0.30, pan);
    }
    for (bar, chord) in [
        [52, 59, 64, 67],
        [48, 55, 60, 64],
        [45, 52, 57, 60],
        [47, 54, 59, 63],
        [43, 50, 55, 59],
        [52, 59, 64, 67],
    ]
    .iter()
    .enumerate()
    {
        for (voice, note) in chord.iter().enumerate() {
            mix.note(
                &PAD,
                bar as f64 * beat * 4.0,
                beat * 4.0,
                *note,
                0.14,
                0.4 * (voice as f64 - 1.5) / 1.5,
            );
        }
    }
    mix
}

fn night_bus() -> Mix {
    let mut mix = Mix::new(20.0);
    let bar = 60.0 / 96.0 * 4.0;
    let line = [45, 45, 57, 48, 50, 50, 52, 43];
    let chords = [[57, 60, 64, 67], [53, 57, 60, 64], [55, 59, 62, 66], [52, 55, 59, 62]];
    for n in 0..7 {
        let start = f64::from(n) * bar;
        for (step, note) in line.iter().enumerate() {
            mix.note(&BASS, start + bar * step as f64 / 8.0, bar / 10.0, *note, 0.34, 0.0);
        }
        // The chord comes on the two and the four, a little late.
        for beat in [1.0, 3.0] {
            for note in chords[n as usize % 4] {
                mix.note(&PLUCK, start + bar * beat / 4.0 + 0.02, 0.25, note, 0.16, 0.25);
            }
            mix.noise(start + bar * beat / 4.0, 0.08, 0.14, 0.1);
        }
        mix.kick(start);
        mix.kick(start + bar * 0.625);
        for eighth in 0..8 {
            mix.noise(start + bar * f64::from(eighth) / 8.0, 0.02, 0.07, -0.4);
        }
    }
    mix
}

fn chime() -> Mix {
    let mut mix = Mix::new(4.5);
    for (n, note) in [67, 72, 76, 79, 84].into_iter().enumerate() {
        mix.note(&BELL, 0.22 * n as f64, 1.4, note, 0.34, 0.25 * (n as f64 - 2.0));
    }
    for note in [48, 60, 64, 67] {
        mix.note(&PAD, 0.9, 2.2, note, 0.16, 0.0);
    }
    mix
}

type Compose = fn() -> Mix;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else { return ExitCode::FAILURE };
    let pieces: [(&str, &str, Compose); 5] = [
        ("00-station-chime", "Station chime", chime),
        ("01-morning-carrier", "Morning Carrier", morning),
        ("02-relay", "Relay", relay),
        ("03-lantern", "Lantern", lantern),
        ("04-night-bus", "Night Bus", night_bus),
    ];
    let written = pieces
        .iter()
        .all(|(file, title, compose)| write(Path::new(&folder), file, title, compose().master()));
    if written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Encodes a piece to Ogg Opus; whether that went well.
fn write(folder: &Path, name: &str, title: &str, frames: Vec<[f32; 2]>) -> bool {
    let raw = folder.join(format!("{name}.f32"));
    let samples: Vec<u8> = frames.into_iter().flatten().flat_map(f32::to_le_bytes).collect();
    let encode = || {
        fs::write(&raw, samples)?;
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args([
            "-nostdin",
            "-loglevel",
            "error",
            "-y",
            "-f",
            "f32le",
            "-ar",
            "48000",
            "-ac",
            "2",
            "-i",
        ]);
        ffmpeg.arg(&raw).args(["-c:a", "libopus", "-b:a", "96k", "-fflags", "+bitexact"]);
        ffmpeg.args(["-metadata", &format!("title={title}"), "-metadata", "artist=airchain demo"]);
        ffmpeg.args(["-metadata", "license=CC0-1.0", "-metadata", "album=airchain demo programme"]);
        ffmpeg.arg(folder.join(format!("{name}.opus"))).status()
    };
    let good = encode().is_ok_and(|status| status.success());
    // The raw samples have done their work, or are of no use.
    let _ = fs::remove_file(raw);
    good
}
