//! One image: PNG, JPEG, PGM or PPM, to bytes by channel.

use firstguess::spec::Shape;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::Problem;

/// Endings of the files that are taken for images.
pub(crate) const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"];

const ALLOWED: &str = "PNG, JPEG, PGM or PPM";

/// Pixels of one image at most: 64 million, a picture of 8000 × 8000.
const MAX_PIXELS: u64 = 64_000_000;

/// A decoded image of 8 bits: grey or red, green, blue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image {
    pub(crate) channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// `[height, width, channels]`.
    pub(crate) pixels: Vec<u8>,
}

impl Image {
    pub(crate) fn shape(&self) -> Result<Shape, Problem> {
        Ok(Shape::image(self.channels, self.height, self.width)?)
    }

    /// The values of one channel, row by row.
    pub(crate) fn plane(&self, channel: usize) -> impl Iterator<Item = u8> {
        self.pixels.iter().skip(channel).step_by(self.channels).copied()
    }

    /// Grey as equal red, green and blue.
    pub(crate) fn into_color(self) -> Self {
        if self.channels == 3 {
            return self;
        }
        let pixels = self.pixels.iter().flat_map(|&grey| [grey; 3]).collect();
        Self { channels: 3, pixels, ..self }
    }
}

/// Decodes an image, whatever its file is called. Transparency is left out, 16 bits become 8.
pub(crate) fn decode(bytes: &[u8]) -> Result<Image, Problem> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => png(bytes),
        [0xff, 0xd8, 0xff, ..] => jpeg(bytes),
        [b'P', b'2' | b'3' | b'5' | b'6', ..] => pnm(bytes),
        [] => Err(Problem::new("an empty file", ALLOWED)),
        _ => Err(Problem::new("no image in a known format", ALLOWED)),
    }
}

fn check_size(width: u64, height: u64) -> Result<(), Problem> {
    if width == 0 || height == 0 || width.saturating_mul(height) > MAX_PIXELS {
        return Err(Problem::new(
            format!("an image of {width} × {height} pixels"),
            format!("from 1 to {MAX_PIXELS} pixels"),
        ));
    }
    Ok(())
}

fn damaged(kind: &str, error: &dyn std::fmt::Display) -> Problem {
    let text: String = error.to_string().chars().take(200).collect();
    Problem::new(format!("a damaged {kind} image ({text})"), ALLOWED)
}

fn png(bytes: &[u8]) -> Result<Image, Problem> {
    let fault = |error: png::DecodingError| damaged("PNG", &error);
    let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(fault)?;
    check_size(header.width.into(), header.height.into())?;
    let mut reader = decoder.read_info().map_err(fault)?;
    let size = reader.output_buffer_size().ok_or_else(|| damaged("PNG", &"too large"))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(fault)?;
    pixels.truncate(frame.buffer_size());
    let (channels, alpha) = match frame.color_type {
        png::ColorType::Grayscale => (1, 0),
        png::ColorType::GrayscaleAlpha => (1, 1),
        png::ColorType::Rgb | png::ColorType::Indexed => (3, 0),
        png::ColorType::Rgba => (3, 1),
    };
    if alpha == 1 {
        let stride = channels + 1;
        pixels =
            pixels.chunks_exact(stride).flat_map(|pixel| &pixel[..channels]).copied().collect();
    }
    whole("PNG", channels, u64::from(frame.height), u64::from(frame.width), pixels)
}

fn jpeg(bytes: &[u8]) -> Result<Image, Problem> {
    let options = DecoderOptions::default().set_max_width(16_384).set_max_height(16_384);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged("JPEG", &error))?;
    let info = decoder.info().ok_or_else(|| damaged("JPEG", &"no header"))?;
    check_size(info.width.into(), info.height.into())?;
    let (channels, wanted) =
        if info.components == 1 { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let pixels = decoder.decode().map_err(|error| damaged("JPEG", &error))?;
    whole("JPEG", channels, info.height.into(), info.width.into(), pixels)
}

/// PGM and PPM, plain or binary, of any depth up to 16 bits.
fn pnm(bytes: &[u8]) -> Result<Image, Problem> {
    let kind = bytes[1];
    let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
    let mut rest = &bytes[2..];
    let mut number = || {
        let value = next_number(&mut rest);
        value.ok_or_else(|| damaged("PGM or PPM", &"no complete header or too few values"))
    };
    let (width, height, largest) = (number()?, number()?, number()?);
    check_size(width, height)?;
    if !(1..=65_535).contains(&largest) {
        return Err(damaged("PGM or PPM", &format!("largest value {largest}")));
    }
    let count = usize::try_from(width * height).unwrap_or(usize::MAX).saturating_mul(channels);
    #[expect(clippy::cast_possible_truncation, reason = "at most 255")]
    let scaled = |value: u64| ((value.min(largest) * 255 + largest / 2) / largest) as u8;
    let pixels: Vec<u8> = if matches!(kind, b'2' | b'3') {
        // A value takes at least two bytes: what is claimed is compared with what is there.
        let possible = rest.len() / 2 + 1;
        (0..count.min(possible)).map_while(|_| next_number(&mut rest)).map(scaled).collect()
    } else {
        // One blank after the header.
        let data = rest.get(1..).unwrap_or_default();
        if largest < 256 {
            data.iter().take(count).map(|&byte| scaled(byte.into())).collect()
        } else {
            let pairs = data.as_chunks::<2>().0;
            pairs.iter().take(count).map(|&pair| scaled(u16::from_be_bytes(pair).into())).collect()
        }
    };
    whole("PGM or PPM", channels, height, width, pixels)
}

/// The next decimal number; blanks and comments before it are skipped.
fn next_number(rest: &mut &[u8]) -> Option<u64> {
    loop {
        let (first, after) = rest.split_first()?;
        match first {
            b'#' => {
                let line = rest.iter().position(|&byte| byte == b'\n')?;
                *rest = &rest[line..];
            }
            byte if byte.is_ascii_whitespace() => *rest = after,
            byte if byte.is_ascii_digit() => break,
            _ => return None,
        }
    }
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn whole(
    kind: &str,
    channels: usize,
    height: u64,
    width: u64,
    pixels: Vec<u8>,
) -> Result<Image, Problem> {
    let size = |extent: u64| usize::try_from(extent).unwrap_or(usize::MAX);
    let (height, width) = (size(height), size(width));
    if pixels.len() != channels * height * width {
        return Err(damaged(
            kind,
            &format!("{} of {} values are there", pixels.len(), channels * height * width),
        ));
    }
    Ok(Image { channels, height, width, pixels })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn encoded_png(
        width: u32,
        height: u32,
        color: png::ColorType,
        pixels: &[u8],
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        bytes
    }

    #[test]
    fn png_of_every_color_type() {
        let grey = decode(&encoded_png(2, 1, png::ColorType::Grayscale, &[7, 9])).unwrap();
        assert_eq!((grey.channels, grey.height, grey.width), (1, 1, 2));
        assert_eq!(grey.pixels, [7, 9]);
        assert_eq!(grey.into_color().pixels, [7, 7, 7, 9, 9, 9]);
        let alpha = decode(&encoded_png(2, 1, png::ColorType::GrayscaleAlpha, &[7, 0, 9, 1]));
        assert_eq!(alpha.unwrap().pixels, [7, 9]);
        let rgb = decode(&encoded_png(1, 2, png::ColorType::Rgb, &[1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(rgb.plane(1).collect::<Vec<_>>(), [2, 5]);
        let rgba = decode(&encoded_png(1, 1, png::ColorType::Rgba, &[1, 2, 3, 4])).unwrap();
        assert_eq!((rgba.channels, rgba.pixels), (3, vec![1, 2, 3]));
    }

    #[test]
    fn portable_maps_plain_and_binary() {
        let pixels = |bytes: &[u8]| decode(bytes).unwrap().pixels;
        assert_eq!(pixels(b"P2\n# a comment\n2 2 # another\n15\n0 15\n3 5\n"), [0, 255, 51, 85]);
        assert_eq!(pixels(b"P5 2 1 255\n\x07\x09"), [7, 9]);
        assert_eq!(pixels(b"P5 1 1 65535\n\xff\xff"), [255]);
        assert_eq!(pixels(b"P6 1 1 255\n\x01\x02\x03"), [1, 2, 3]);
        assert_eq!(pixels(b"P3 1 1 255 1 2 3"), [1, 2, 3]);
    }

    #[test]
    fn damaged_and_absurd_images_are_refused() {
        let good = encoded_png(2, 1, png::ColorType::Grayscale, &[7, 9]);
        for bytes in [
            &b""[..],
            b"GIF89a",
            &good[..good.len() - 20],
            b"\xff\xd8\xff\xe0",
            b"P5 2 2 255\n\x01",
            b"P5 99999999 99999999 255\n",
            b"P2 1 1 0\n0",
            b"P2 0 1 255\n",
            b"P2 60000000 1 255 1",
            b"P5 18446744073709551616 1 255\n",
        ] {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
