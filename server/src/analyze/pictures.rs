//! Pictures beside the numbers: waveforms, and cover art out of the files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use airchain::analysis::{Analysis, Waveform, Zoom};
use airchain::codecs::analyze::SAMPLES_PER_PIXEL;
use airchain::codecs::decode;
use clap::Args;
use serde::Serialize;

use super::names::Names;
use crate::{Failed, output};

/// Which pictures are asked for.
#[derive(Args, Debug)]
pub(super) struct PictureArgs {
    /// Waveform, as a picture or as numbers for players (audiowaveform's JSON). With several files: a folder, or a path
    /// with {name} in it
    #[arg(long, value_name = "FILE.svg|FILE.json|FOLDER")]
    waveform: Option<PathBuf>,

    /// Frames per pixel of the waveform; as many as make 1024 to 2048 pixels unless told otherwise
    #[arg(long, value_name = "N", requires = "waveform", value_parser = samples_per_pixel)]
    samples_per_pixel: Option<u32>,

    /// Embedded cover art, into a file; its extension is that of the picture. With several files as above
    #[arg(long, value_name = "FILE|FOLDER")]
    cover: Option<PathBuf>,
}

fn samples_per_pixel(text: &str) -> Result<u32, String> {
    let (least, most) = (SAMPLES_PER_PIXEL.start(), SAMPLES_PER_PIXEL.end());
    let count = text.parse().ok().filter(|count| SAMPLES_PER_PIXEL.contains(count));
    count.ok_or_else(|| format!("give a number from {least} to {most}"))
}

/// Where the pictures of a file were written.
#[derive(Default, Serialize)]
pub(super) struct Written {
    /// Left out where it was not asked for, null where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    waveform: Option<Option<PathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cover: Option<Option<PathBuf>>,
}

/// What came of the pictures of a file.
pub(super) struct Outcome {
    pub(super) written: Written,
    /// Whether all that there was could be written.
    pub(super) good: bool,
}

/// Writes the pictures that are asked for.
pub(super) struct Pictures {
    waveform: Option<(Names, &'static str, Zoom)>,
    cover: Option<Names>,
}

/// Extensions of covers that are not part of a name.
const COVERS: [&str; 7] = ["jpg", "jpeg", "png", "gif", "webp", "avif", "bmp"];

impl Pictures {
    pub(super) fn new(args: &PictureArgs, several: bool) -> Result<Self, Failed> {
        let waveform = match &args.waveform {
            Some(path) => {
                let (names, extension) = Names::new("--waveform", path, several, &["json", "svg"])?;
                if extension.is_none() && !names.is_folder() {
                    let path = path.display();
                    return Err(Failed::new(format!(
                        "--waveform {path}: give a name that ends in .svg or .json"
                    )));
                }
                let zoom = args.samples_per_pixel.map_or(Zoom::Overview, Zoom::SamplesPerPixel);
                Some((names, extension.unwrap_or("json"), zoom))
            }
            None => None,
        };
        let cover =
            args.cover.as_ref().map(|path| Names::new("--cover", path, several, &COVERS)).transpose()?;
        Ok(Self { waveform, cover: cover.map(|(names, _)| names) })
    }

    /// The waveform that has to be made.
    pub(super) fn zoom(&self) -> Option<Zoom> {
        self.waveform.as_ref().map(|(.., zoom)| *zoom)
    }

    /// Writes those of the file at `path`.
    pub(super) fn write(&mut self, path: &Path, analysis: &Analysis) -> Outcome {
        let (mut written, mut good) = (Written::default(), true);
        let mut put = |file: PathBuf, bytes: &[u8]| match output::file(&file, bytes) {
            Ok(()) => Some(file),
            Err(error) => {
                tracing::error!("{}: {error}", file.display());
                good = false;
                None
            }
        };
        if let Some((names, extension, _)) = &mut self.waveform {
            let waveform = analysis.waveform.as_ref().and_then(|waveform| {
                let text = match *extension {
                    "svg" => svg(waveform),
                    // The type holds nothing that JSON lacks.
                    _ => serde_json::to_string(waveform).unwrap_or_default(),
                };
                put(names.of(path, extension), text.as_bytes())
            });
            written.waveform = Some(waveform);
        }
        if let Some(names) = &mut self.cover {
            // A file that cannot be read has been told of.
            let cover = decode::cover(path).ok().flatten();
            written.cover = Some(cover.and_then(|cover| put(names.of(path, cover.extension), &cover.data)));
        }
        Outcome { written, good }
    }
}

/// Height of a channel.
const HEIGHT: usize = 128;

/// A picture of a waveform: an area from lowest to highest for each channel, and one of the RMS within it.
fn svg(waveform: &Waveform) -> String {
    let (width, channels) = (waveform.length, waveform.channels as usize);
    let height = channels * HEIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         preserveAspectRatio=\"none\" role=\"img\">\n<title>Waveform</title>\n"
    );
    for channel in 0..channels {
        let middle = channel * HEIGHT + HEIGHT / 2;
        let value = |values: &[i8], at: usize| i32::from(values.get(at).copied().unwrap_or(0));
        let peaks = (0..width).map(|pixel| {
            let at = 2 * (pixel * channels + channel);
            (value(&waveform.data, at), value(&waveform.data, at + 1))
        });
        let rms =
            (0..width).map(|pixel| value(&waveform.rms, pixel * channels + channel)).map(|rms| (-rms, rms));
        let _ = writeln!(
            svg,
            "<g transform=\"translate(0 {middle}) scale(1 -0.5)\">\n<path fill=\"#7fa3c7\" d=\"{}\"/>\n\
             <path fill=\"#2f5d8a\" d=\"{}\"/>\n</g>",
            area(peaks),
            area(rms),
        );
    }
    svg + "</svg>\n"
}

/// The outline of steps from lowest to highest, there above and back below.
fn area(steps: impl DoubleEndedIterator<Item = (i32, i32)> + Clone + ExactSizeIterator) -> String {
    let mut path = String::from("M0 0");
    for (pixel, (_, highest)) in steps.clone().enumerate() {
        let _ = write!(path, "V{highest}H{}", pixel + 1);
    }
    for (pixel, (lowest, _)) in steps.enumerate().rev() {
        let _ = write!(path, "V{lowest}H{pixel}");
    }
    path + "Z"
}
