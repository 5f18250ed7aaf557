//! The tools, and how each is told to do the job: a playlist of MP3, in a loop, at 48 kHz; crossfade, compressor and limiter;
//! out to MP3 128k at an Icecast server and to AAC-LC 128k in HLS segments of 4 s.

use std::fmt::Write;
use std::io::Result;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::icecast::PASSWORD;

/// One that does the job.
#[derive(Clone, Copy)]
pub(crate) enum Tool {
    Airchain,
    Ffmpeg,
    Gstreamer,
    Liquidsoap,
}

/// All, airchain first.
pub(crate) const TOOLS: [Tool; 4] = [Tool::Airchain, Tool::Ffmpeg, Tool::Gstreamer, Tool::Liquidsoap];

/// What a job is made of.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) airchain: &'a str,
    pub(crate) folder: &'a Path,
    pub(crate) songs: &'a [PathBuf],
    /// The Icecast server.
    pub(crate) server: SocketAddr,
    pub(crate) stations: usize,
}

/// The mount of a station.
pub(crate) fn mount(station: usize) -> String {
    format!("/{station}.mp3")
}

/// What a source is told.
fn url(server: SocketAddr, mount: &str) -> String {
    format!("icecast://source:{PASSWORD}@{server}{mount}")
}

impl Tool {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Airchain => "airchain",
            Self::Ffmpeg => "ffmpeg",
            Self::Gstreamer => "gstreamer",
            Self::Liquidsoap => "liquidsoap",
        }
    }

    /// What it calls itself.
    pub(crate) fn version(self, airchain: &str) -> String {
        let (program, argument) = match self {
            Self::Airchain => (airchain, "--version"),
            Self::Ffmpeg => ("ffmpeg", "-version"),
            Self::Gstreamer => ("gst-launch-1.0", "--version"),
            Self::Liquidsoap => ("liquidsoap", "--version"),
        };
        let said =
            Command::new(program).arg(argument).output().map(|output| output.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let words = said.lines().next().unwrap_or("not there").split_whitespace().take(3);
        words.filter(|word| !matches!(*word, "version" | "Copyright")).collect::<Vec<_>>().join(" ")
    }

    /// The processes that do the job. Those that can hold all stations are one.
    pub(crate) fn commands(self, job: &Job<'_>) -> Result<Vec<Command>> {
        let playlist = job.folder.join("playlist.m3u");
        let lines = |line: fn(&Path) -> String| job.songs.iter().map(|song| line(song)).collect::<String>();
        std::fs::write(&playlist, lines(|song| format!("{}\n", song.display())))?;
        let all = 0..job.stations;
        match self {
            Self::Airchain => {
                let mut command = Command::new(job.airchain);
                command.arg("run");
                for station in all {
                    let file = job.folder.join(format!("{station}.yaml"));
                    std::fs::write(&file, yaml(job, station, &playlist)?)?;
                    command.arg(file);
                }
                Ok(vec![command])
            }
            Self::Ffmpeg => {
                let list = job.folder.join("playlist.ffconcat");
                std::fs::write(&list, lines(|song| format!("file '{}'\n", song.display())))?;
                all.map(|station| shell(&ffmpeg(job, station, &list)?)).collect()
            }
            Self::Gstreamer => all.map(|station| shell(&gstreamer(job, station)?)).collect(),
            Self::Liquidsoap => {
                let mut script = liquidsoap_head(None);
                for station in all {
                    script += &liquidsoap(job, station, &playlist)?;
                }
                let file = job.folder.join("stations.liq");
                std::fs::write(&file, script)?;
                let mut command = Command::new("liquidsoap");
                command.arg(file);
                Ok(vec![command])
            }
        }
    }
}

/// A command line, without a shell that would stay beside it.
fn shell(line: &str) -> Result<Command> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {line}")]);
    Ok(command)
}

/// Where a station's HLS goes.
fn hls(job: &Job<'_>, station: usize) -> Result<String> {
    let folder = job.folder.join(format!("hls{station}"));
    std::fs::create_dir_all(&folder)?;
    Ok(folder.display().to_string())
}

fn yaml(job: &Job<'_>, station: usize, playlist: &Path) -> Result<String> {
    let (url, hls) = (url(job.server, &mount(station)), hls(job, station)?);
    Ok(format!(
        "station: {{ id: s{station}, sample_rate: 48000 }}
automation: {{ playlist: [{playlist}], loop: true, crossfade_sec: 3 }}
mounts:
  - id: main
    outputs:
      - {{ type: icecast, url: \"{url}\", format: mp3, bitrate_kbps: 128 }}
      - {{ type: hls, path: {hls}, format: aac, bitrate_kbps: 128, segment_duration_sec: 4, playlist_size: 6 }}
dsp_graph:
  nodes:
    - {{ type: compressor, config: {{ threshold_db: -18, ratio: 3, attack_ms: 5, release_ms: 200 }} }}
    - {{ type: limiter, config: {{ threshold_db: -1 }} }}
",
        playlist = playlist.display()
    ))
}

fn ffmpeg(job: &Job<'_>, station: usize, list: &Path) -> Result<String> {
    let (url, hls) = (url(job.server, &mount(station)), hls(job, station)?);
    Ok(format!(
        "ffmpeg -nostdin -v error -re -stream_loop -1 -f concat -safe 0 -i '{list}' -filter_complex \
         'aresample=48000,acompressor=threshold=-18dB:ratio=3:attack=5:release=200,alimiter=limit=-1dB,asplit[a][b]' \
         -map '[a]' -c:a libmp3lame -b:a 128k -compression_level 3 -f mp3 -content_type audio/mpeg '{url}' \
         -map '[b]' -c:a aac -b:a 128k -f hls -hls_time 4 -hls_list_size 6 -hls_flags delete_segments '{hls}/live.m3u8'",
        list = list.display()
    ))
}

fn gstreamer(job: &Job<'_>, station: usize) -> Result<String> {
    let hls = hls(job, station)?;
    let (port, mount) = (job.server.port(), mount(station));
    let songs = job.songs.first().and_then(|song| song.parent()).unwrap_or(job.folder).display();
    Ok(format!(
        "gst-launch-1.0 -q multifilesrc location='{songs}/song%d.mp3' stop-index={last} loop=true ! mpegaudioparse ! \
         mpg123audiodec ! audioconvert ! audioresample ! audio/x-raw,rate=48000 ! \
         audiodynamic mode=compressor characteristics=soft-knee threshold=0.125 ratio=0.333 ! rglimiter ! audioconvert ! \
         tee name=t t. ! queue ! lamemp3enc target=bitrate cbr=true bitrate=128 encoding-engine-quality=standard ! \
         shout2send ip=127.0.0.1 port={port} password={PASSWORD} mount={mount} t. ! queue ! audioconvert ! \
         avenc_aac bitrate=128000 ! aacparse ! h.audio hlssink2 name=h target-duration=4 max-files=7 playlist-length=6 \
         location='{hls}/live%05d.ts' playlist-location='{hls}/live.m3u8'",
        last = job.songs.len().saturating_sub(1)
    ))
}

/// What comes before the stations of a Liquidsoap script; with a port for its telnet server.
pub(crate) fn liquidsoap_head(telnet: Option<u16>) -> String {
    let mut script =
        "settings.init.allow_root.set(true)\nsettings.log.file.set(false)\nsettings.log.stdout.set(false)\n\
                      settings.frame.audio.samplerate.set(48000)\n"
            .to_owned();
    if let Some(port) = telnet {
        let _ = write!(script, "settings.server.telnet.set(true)\nsettings.server.telnet.port.set({port})\n");
    }
    script
}

/// `source` to a mount of the Icecast server.
pub(crate) fn liquidsoap_icecast(server: SocketAddr, mount: &str, source: &str) -> String {
    format!(
        "output.icecast(%mp3(bitrate=128, samplerate=48000, internal_quality=3), host=\"127.0.0.1\", port={}, \
         password=\"{PASSWORD}\", mount=\"{mount}\", {source})\n",
        server.port()
    )
}

fn liquidsoap(job: &Job<'_>, station: usize, playlist: &Path) -> Result<String> {
    let hls = hls(job, station)?;
    Ok(format!(
        "s = playlist(id=\"music{station}\", mode=\"normal\", \"{playlist}\")
s = crossfade(duration=3., fade_in=3., fade_out=3., s)
s = compress(attack=5., release=200., ratio=3., threshold=-18., s)
s = mksafe(limit(threshold=-1., s))
{icecast}output.file.hls(id=\"hls{station}\", playlist=\"live.m3u8\", segment_duration=4., segments=6, \"{hls}\", \
         [(\"aac\", %ffmpeg(format=\"mpegts\", %audio(codec=\"aac\", channels=2, ar=48000, b=\"128k\")))], s)
",
        playlist = playlist.display(),
        icecast = liquidsoap_icecast(job.server, &mount(station), "s"),
    ))
}

/// A process that writes PCM of a file to its standard output as soon as it can; airchain's is heard at its listener.
pub(crate) fn pcm(tool: Tool, folder: &Path, song: &Path) -> Result<Option<Command>> {
    let song = song.display();
    match tool {
        Tool::Airchain => Ok(None),
        Tool::Ffmpeg => shell(&format!("ffmpeg -nostdin -v error -i '{song}' -ar 48000 -f s16le -")).map(Some),
        Tool::Gstreamer => shell(&format!(
            "gst-launch-1.0 -q filesrc location='{song}' ! mpegaudioparse ! mpg123audiodec ! audioconvert ! audioresample ! \
             audio/x-raw,rate=48000,format=S16LE ! fdsink"
        ))
        .map(Some),
        Tool::Liquidsoap => {
            let script = liquidsoap_head(None)
                + &format!("output.file(%wav(header=false), \"/dev/stdout\", fallible=true, single(\"{song}\"))\n");
            let file = folder.join("pcm.liq");
            std::fs::write(&file, script)?;
            let mut command = Command::new("liquidsoap");
            command.arg(file);
            Ok(Some(command))
        }
    }
}
