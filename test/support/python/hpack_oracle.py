"""HPACK by python3-hpack and by nghttp2, as oracles. JSON, a connection a line, in and out; strings are Latin-1, blocks hexadecimal."""

import ctypes
import json
import sys

import hpack

nghttp2 = ctypes.CDLL("libnghttp2.so.14")


class Field(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("value", ctypes.c_char_p),
        ("name_length", ctypes.c_size_t),
        ("value_length", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    ]


class Received(ctypes.Structure):
    """The same, with pointers: `c_char_p` would end at the first NUL."""

    _fields_ = [
        ("name", ctypes.c_void_p),
        ("value", ctypes.c_void_p),
        ("name_length", ctypes.c_size_t),
        ("value_length", ctypes.c_size_t),
        ("flags", ctypes.c_uint8),
    ]


nghttp2.nghttp2_hd_deflate_hd.restype = ctypes.c_ssize_t
nghttp2.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
EMIT, FINAL, NO_INDEX = 2, 1, 1
TABLE = 4096


def encode_nghttp2(blocks):
    deflater = ctypes.c_void_p()
    assert nghttp2.nghttp2_hd_deflate_new(ctypes.byref(deflater), ctypes.c_size_t(TABLE)) == 0
    out = []
    for sizes, fields in blocks:
        for size in sizes:
            assert nghttp2.nghttp2_hd_deflate_change_table_size(deflater, ctypes.c_size_t(size)) == 0
        array = (Field * len(fields))(*[Field(n, v, len(n), len(v), NO_INDEX if s else 0) for n, v, s in fields])
        buffer = ctypes.create_string_buffer(1 << 20)
        length = nghttp2.nghttp2_hd_deflate_hd(
            deflater, buffer, ctypes.c_size_t(len(buffer)), array, ctypes.c_size_t(len(fields))
        )
        assert length >= 0, length
        out.append(buffer.raw[:length].hex())
    nghttp2.nghttp2_hd_deflate_del(deflater)
    return out


def decode_nghttp2(blocks):
    inflater = ctypes.c_void_p()
    assert nghttp2.nghttp2_hd_inflate_new(ctypes.byref(inflater)) == 0
    out = []
    for block in blocks:
        fields = []
        while True:
            field, flags = Received(), ctypes.c_int(0)
            used = nghttp2.nghttp2_hd_inflate_hd2(
                inflater, ctypes.byref(field), ctypes.byref(flags), block, ctypes.c_size_t(len(block)), 1
            )
            if used < 0:
                return None
            block = block[used:]
            if flags.value & EMIT:
                pairs = ((field.name, field.name_length), (field.value, field.value_length))
                fields.append([ctypes.string_at(at, length).decode("latin1") for at, length in pairs])
            if flags.value & FINAL:
                break
        nghttp2.nghttp2_hd_inflate_end_headers(inflater)
        out.append(fields)
    nghttp2.nghttp2_hd_inflate_del(inflater)
    return out


def encode_python(blocks):
    encoder = hpack.Encoder()
    out = []
    for i, (sizes, fields) in enumerate(blocks):
        for size in sizes:
            encoder.header_table_size = size
        kinds = [(hpack.NeverIndexedHeaderTuple if s else hpack.HeaderTuple)(n, v) for n, v, s in fields]
        out.append(encoder.encode(kinds, huffman=i % 3 != 2).hex())
    # After some changes of its table, python3-hpack 4.0 refers to entries that are gone: its own decoder refuses the block as well.
    return None if decode_python([bytes.fromhex(block) for block in out]) is None else out


def decode_python(blocks):
    decoder = hpack.Decoder(max_header_list_size=1 << 24)
    try:
        return [[[part.decode("latin1") for part in field] for field in decoder.decode(block, raw=True)] for block in blocks]
    except hpack.HPACKError:
        return None


for line in sys.stdin:
    question = json.loads(line)
    if "encode" in question:
        blocks = [
            (sizes, [(n.encode("latin1"), v.encode("latin1"), s) for n, v, s in fields])
            for sizes, fields in question["encode"]
        ]
        answer = {"nghttp2": encode_nghttp2(blocks), "python3-hpack": encode_python(blocks)}
    else:
        blocks = [bytes.fromhex(block) for block in question["decode"]]
        answer = {"nghttp2": decode_nghttp2(blocks), "python3-hpack": decode_python(blocks)}
    print(json.dumps(answer))
