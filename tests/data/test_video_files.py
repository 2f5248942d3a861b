"""Video files: counting, decoding and writing."""

import os
import re
import struct
import wave

import av
import numpy as np
import pytest

from cgc.data import video_files
from cgc.data.video_files import UnreadableVideoError, count_frames, decode_frames, encode_mp4
from cgc.errors import UserError
from helpers.clip_samples import frame_numbers, grey_frame, mp4, write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("videos") / "x.mp4", 20)


def test_count_is_that_of_the_frames_made(video):
    assert count_frames(video) == (20, None)


def test_count_takes_the_content_of_a_file(video):
    assert count_frames(video.read_bytes()) == (20, None)


def test_count_of_a_file_that_is_no_video_is_zero_with_the_reason(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"<html>not found</html>")
    assert count_frames(tmp_path / "x.mp4") == (0, "Invalid data found when processing input")


def test_count_of_sound_is_zero_with_the_reason(tmp_path):
    with wave.open(str(tmp_path / "x.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    assert count_frames(tmp_path / "x.wav") == (
        0,
        "no kind of video file that is read",
    )


def test_count_of_a_cut_off_file_goes_as_far_as_it_can(tmp_path):
    path = write_video(tmp_path / "x.mp4", 20, movflags="faststart")
    path.write_bytes(path.read_bytes()[:-150])
    counted = count_frames(path)
    assert 5 < counted.num_frames < 20
    assert counted.defect is not None


def test_decode_gives_the_frames_that_are_asked_for(video):
    frames = decode_frames(video, {17, 0, 4})
    assert frame_numbers([frames[i] for i in (0, 4, 17)]) == [0, 4, 17]
    assert set(frames) == {0, 4, 17}


def test_decode_gives_rgb_images_of_the_video_size(video):
    frame = decode_frames(video, {3})[3]
    assert (frame.mode, frame.size) == ("RGB", (24, 16))


def test_decode_gives_the_same_frame_whatever_else_is_asked_for(video):
    alone, among = decode_frames(video, {9})[9], decode_frames(video, set(range(20)))[9]
    np.testing.assert_array_equal(np.asarray(alone), np.asarray(among))


def test_decode_of_a_frame_beyond_the_end_says_so(video):
    with pytest.raises(UnreadableVideoError, match="frame 20 is not there"):
        decode_frames(video, {3, 20})


def test_decode_of_a_missing_file_says_so(tmp_path):
    with pytest.raises(UnreadableVideoError, match="No such file or directory"):
        decode_frames(tmp_path / "x.mp4", {0})


def test_encoded_clip_is_h264_in_mp4():
    content = mp4(4)
    assert content[4:8] == b"ftyp"
    with av.open(video_files.io.BytesIO(content)) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_encoded_clip_falls_back_to_mpeg4(monkeypatch):
    monkeypatch.setattr(video_files, "codecs_available", {"mpeg4", "flv1"})
    content = mp4(4)
    with av.open(video_files.io.BytesIO(content)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert frame_numbers(decode_frames(content, range(4)).values()) == [0, 1, 2, 3]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_encoded_frames_look_the_same_in_either_order(monkeypatch, codec):
    monkeypatch.setattr(video_files, "codecs_available", {codec})
    noise = np.random.default_rng(0).integers(0, 256, (6, 16, 24, 3), dtype=np.uint8)
    forward, backward = (
        decode_frames(encode_mp4(list(clip), frames_per_second=8), range(6))
        for clip in (noise, noise[::-1])
    )
    for i in range(6):
        np.testing.assert_array_equal(np.asarray(forward[i]), np.asarray(backward[5 - i]))


def test_encoded_frames_are_close_to_the_original():
    ramp = np.linspace(0, 255, 24).astype(np.uint8)
    frame = np.broadcast_to(ramp[None, :, None], (16, 24, 3)).copy()
    content = encode_mp4([grey_frame(3), frame], frames_per_second=8)
    error = np.asarray(decode_frames(content, {1})[1], np.float64) - frame
    assert np.abs(error).mean() < 2


QUARTERS = np.zeros((16, 32, 3), np.uint8)
QUARTERS[:8, :16] = 255  # white at the top left


def turned(a, b, c, d):
    """A video whose display matrix moves (x, y) to (a x + c y, b x + d y)."""
    content = encode_mp4([QUARTERS] * 3, frames_per_second=8)
    at = content.index(b"tkhd") + 4 + 40
    matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
    return content[:at] + struct.pack(">9i", *matrix) + content[at + 36 :]


@pytest.mark.parametrize(
    ("matrix", "size", "white"),
    [
        ((1, 0, 0, 1), (32, 16), "top left"),
        ((0, 1, -1, 0), (16, 32), "top right"),
        ((-1, 0, 0, -1), (32, 16), "bottom right"),
        ((0, -1, 1, 0), (16, 32), "bottom left"),
        ((-1, 0, 0, 1), (32, 16), "top right"),
        ((1, 0, 0, -1), (32, 16), "bottom left"),
        ((0, 1, 1, 0), (16, 32), "top left"),
        ((0, -1, -1, 0), (16, 32), "bottom right"),
    ],
)
def test_frames_are_turned_as_the_display_matrix_says(matrix, size, white):
    frame = decode_frames(turned(*matrix), {1})[1]
    x, y = (1 if "left" in white else size[0] - 2), (1 if "top" in white else size[1] - 2)
    assert frame.size == size
    assert frame.getpixel((x, y))[0] > 200
    assert np.asarray(frame).mean() < 80


def test_display_matrix_that_is_no_quarter_turn_is_named():
    reason = "its display matrix is neither a quarter turn nor a mirroring"
    assert count_frames(turned(1, 1, -1, 1)) == (0, reason)
    with pytest.raises(UnreadableVideoError, match=reason):
        decode_frames(turned(1, 1, -1, 1), {0})


def test_frames_of_another_size_are_named(tmp_path):
    first, second = (
        encode_annexb(np.full((size, size, 3), 90, np.uint8), tmp_path) for size in (16, 32)
    )
    (tmp_path / "x.mpg").write_bytes(first + second)
    num_frames, defect = count_frames(tmp_path / "x.mpg")
    assert num_frames == 0
    # Where two streams meet, a decoder may lose a frame.
    assert re.fullmatch(r"frame [23] is \(32, 32\), the first one \(16, 16\) px", defect)


def encode_annexb(frame, folder):
    """Three frames as a bare MPEG-1 stream, which can be concatenated with another."""
    with av.open(str(folder / "part.mpg"), "w", format="mpeg1video") as container:
        stream = container.add_stream("mpeg1video", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], "yuv420p"
        for image in [av.VideoFrame.from_ndarray(frame, format="rgb24")] * 3:
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return (folder / "part.mpg").read_bytes()


@pytest.mark.parametrize("name", ["x.mp4", "x.avi"])
def test_list_of_other_files_is_not_followed(video, name):
    playlist = video.with_name(name)
    playlist.write_text(f"ffconcat version 1.0\nfile {video.name}\n")
    assert count_frames(playlist) == (0, "no kind of video file that is read")


def test_special_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "x.mp4")
    with pytest.raises(UserError, match=r"x.mp4 must be a regular file"):
        count_frames(tmp_path / "x.mp4")
