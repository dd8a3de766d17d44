"""Names from data as names of files."""

import hashlib
import re
import unicodedata

LONGEST_NAME = 240
"""Bytes of a name from ``encode_name``; file systems allow 255, a prefix included."""


def encode_name(name: str) -> str:
    """A name from data as one safe file name; a name that is safe already stays as it is.

    Slashes, backslashes, control characters and what turns the direction of writing are
    percent-encoded as UTF-8, as is a percent sign before two hexadecimal digits. A name that is
    empty or too long ends in a hash.

    Example:
        >>> encode_name("2011"), encode_name("../x"), encode_name("..")
        ('2011', '..%2Fx', '%2E%2E')
    """
    if name in (".", ".."):
        return name.replace(".", "%2E")
    safe = re.sub(r"%(?=[0-9A-Fa-f]{2})", "%25", name)
    safe = "".join(c if _is_safe(c) else _percent(c) for c in safe)
    whole = safe.encode()
    if 0 < len(whole) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    beginning = whole[: LONGEST_NAME - 17].decode(errors="ignore")
    return re.sub(r"%[0-9A-F]?$", "", beginning) + "~" + digest


def decode_name(safe: str) -> str:
    """The name that ``encode_name`` encoded; one that was too long stays cut.

    Example:
        >>> decode_name(encode_name("a/b"))
        'a/b'
    """
    found = re.sub(
        rb"%([0-9A-F]{2})",
        lambda m: bytes.fromhex(m[1].decode()),
        safe.encode("utf-8", "surrogatepass"),
    )
    try:
        return found.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # no name that was encoded
        return safe


def _is_safe(character: str) -> bool:
    turns = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return (
        character not in "/\\"
        and character not in turns
        and unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
    )


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
