"""Sealed datagrams once more, written after doc/sealed-datagrams.md and not after the program."""
import hashlib
import ipaddress
import os
import struct
import time

from nacl import bindings

VERSION, REPLY, SIGNED = 0x50, 1, 2


class Refused(Exception):
    pass


def dest(address, port):
    """The destination as it is authenticated: 16 bytes and a port."""
    if address is None:
        return bytes(18)
    a = ipaddress.ip_address(address)
    return (b"\0" * 10 + b"\xff\xff" + a.packed if a.version == 4 else a.packed) + struct.pack(">H", port)


def blake(key, data):
    return hashlib.blake2b(data, key=key, digest_size=32).digest()


def key_hash(key):
    return blake(key, b"socast seal 1 key")


def signed_part(key, ad, text):
    return b"socast seal 1 sig" + blake(key_hash(key), ad + text)


def public_key(seed):
    return bindings.crypto_sign_seed_keypair(seed)[0]


def seal(key, text, to, sender=None, seconds=None, sequence=0, flags=0, seed=None, signature=None):
    """A datagram; everything may be chosen. @signature: bytes to put there instead of the real one."""
    sender = sender or (public_key(seed)[:4] if seed else b"") + os.urandom(8 if seed else 12)
    flags |= SIGNED if seed or signature else 0
    header = bytes([VERSION | flags]) + key_hash(key)[:3] + sender
    header += struct.pack(">II", int(time.time()) if seconds is None else seconds, sequence)
    if seed:
        text += bindings.crypto_sign(signed_part(key, header + to, text), seed + public_key(seed))[:64]
    elif signature:
        text += signature
    subkey = blake(key, b"socast seal 1 sub" + sender)
    return header + bindings.crypto_aead_chacha20poly1305_ietf_encrypt(text, header + to, b"\0\0\0\0" + header[16:24], subkey)


class Opened:
    """What a datagram says. Refused if it cannot be opened."""

    def __init__(self, key, data, to, trusted=None):
        if len(data) < 40 or data[0] & ~3 != VERSION:
            raise Refused("not sealed")
        header, self.reply, self.signed = data[:24], bool(data[0] & REPLY), bool(data[0] & SIGNED)
        if header[1:4] != key_hash(key)[:3]:
            raise Refused("wrong key")
        self.sender, (self.seconds, self.sequence) = header[4:16], struct.unpack(">II", header[16:24])
        subkey = blake(key, b"socast seal 1 sub" + self.sender)
        try:
            self.text = bindings.crypto_aead_chacha20poly1305_ietf_decrypt(data[24:], header + to, b"\0\0\0\0" + header[16:24], subkey)
        except Exception as e:
            raise Refused("forged") from e
        self.signature = self.text[-64:] if self.signed else b""
        self.text = self.text[:-64] if self.signed else self.text
        if trusted is not None:
            part = signed_part(key, header + to, self.text)
            if not self.signed or not any(self.sender[:4] == p[:4] and verifies(self.signature + part, p) for p in trusted):
                raise Refused("no signature of a trusted member")


def verifies(signed, public):
    try:
        bindings.crypto_sign_open(signed, public)
        return True
    except Exception:
        return False
