"""`--check` finds what can be found without opening anything, in the words of a start.

Every sentence of the manual's DIAGNOSTICS stands in one of two tables here: with a command line that provokes it, or
with the reason why only a start can find it. A new sentence has to be put into one of them."""
import os
import re
import shlex

import pytest

import lab
from certs import zoo_if_any

# What is printed: the head of the manual, and the line that brings it about. {d} is a folder, {z} one with certificates.
PROVOKED = {
    # the command line and the addresses
    'option "-h" for help': "-q - -",
    "option -t: ... is negative": "-t -1 - -",
    "option --stats: ... is too short": "--stats=0 - -",
    'option --log: unknown format "..."': "--log=xml - -",
    'option "so-peercred" cannot be set': "- UNIX:/x,so-peercred=1:2:3",
    'unknown device/address "..."': "- TPC:a:1",
    "FRAMES has no format": "- FRAMES+TCP:a:1",
    '"..." is no format of frames': "- TCP:a:1,frames=u8",
    "fixed=...: the bytes of each datagram, 1 to ...": "- TCP:a:1,frames=fixed=0",
    "option frames-max: ... is not between 1 and ... bytes": "- TCP:a:1,frames=u16,frames-max=65536",
    "option frames-max needs option frames": "- TCP:a:1,frames-max=9",
    "frames are ... or ..., not both": "- 'FRAMES(u16,slip)+TCP:a:1'",
    "option reopen is for addresses that connect, devices and programs": "TCP-L:1,reopen -",
    "option reopen is not for files": "- /etc/passwd,rdonly,reopen",
    "option reopen is not possible in a dual address": "- 'TCP:a:1,reopen!!-'",
    "option reopen is not possible with option nofork": "TCP:a:1,reopen EXEC:cat,nofork",
    "option reopen is not possible where the right address has option fork": "TCP:a:1,reopen TCP-L:1,fork",
    "option reopen is not possible with an option that changes user, root directory or session": "- TCP:a:1,reopen,setsid",
    'unknown layer "..."': "- FOO+TLS:a:1",
    "empty layer name in column ...": "- TLS++TCP:a:1",
    "in column ... is not closed": "- 'TLS(cafile=x+TCP:a:1'",
    "more than ... layers": "- " + "TLS+" * 9 + "TCP:a:1",
    '"+" and a transport expected in column ...': "- 'TLS(verify=0)TCP:a:1'",
    "no transport behind layer ...": "- TLS+",
    'option "..." could be that of ... or that of ...': "- TLS+TLS+TCP:a:1,verify=0",
    'option "..." is none of layer ...': "- 'TLS(crnl)+TCP:a:1'",
    'option "..." of layer ... is given twice': "- 'SOCKS5(to=a:1)+TCP:x:1080,to=b:2'",
    "cannot stand on ..., whose datagrams are for many": "- 'DTLS(cn=x)+MCAST:224.1.1.1:5'",
    "needs ..., and ... gives ...": "- TLS+UDP4:127.0.0.1:1",
    "cannot stand on ... with option nofork": "- 'TLS(cn=x)+EXEC:cat,nofork'",
    "cannot stand on ...: a file answers nobody": "- 'TLS(cn=x)+GOPEN:/etc/passwd'",
    "option reopen: a pause is longer than 0 seconds": "- TCP:a:1,reopen=0",
    "cannot stand on ..., whose sessions are one datagram": "DTLS+UDP-RECVFROM:1,fork -",
    "cannot stand on ..., which has one direction only": "- TLS+UDP4-RECV:1",
    "a layer cannot stand on one half of a dual address": "- 'TLS(verify=0)+TCP:a:1!!-'",
    "has no host name to verify": "- TLS+UNIX:/x",
    "has no target": "- SOCKS5+TCP:a:1",
    'option to: "..." is not HOST:PORT': "- 'SOCKS5(to=a)+TCP:a:1'",
    "the target is given twice": "- SOCKS5:a:b:1,to=c:1",
    "the port of the server is given where it is connected": "- 'PROXY(to=c:1,proxyport=1)+TCP:a:1'",
    'option role: unknown word "..."; use client or server': "- 'TLS(role=x)+TCP:a:1'",
    "has no server side": "- 'SOCKS5(to=a:1)+TCP-L:1'",
    'unknown option "..."': "- TCP:a:1,foork",
    "option ... not supported with this address type": "- TCP:a:1,creat",
    "wrong number of parameters (... instead of ...)": "- TCP:a",
    'unexpected end of address "..."': """- 'TEXT:"a'""",
    'too many parameters in address "..."': "- TEXT:1:2:3:4:5:6:7:8:9",
    'syntax error in "..."': "- SOCKET-CONNECT:2:6:zz",
    'data too long: "..."': "- SOCKET-CONNECT:2:6:x" + "00" * 130,
    'missing numerical value of option "..."': "-b '' - -",
    'trailing garbage in numerical arg of option "..."': "-b 5x - -",
    "option ...: ... is out of range": "-T 1e400 - -",
    'option "...": value required': "- TCP4:a:1,bind",
    'option "...": values required': "- TCP4:a:1,setsockopt-int",
    'option "...": ... arguments required': "- TCP4:a:1,setsockopt-int=1:2",
    'no value permitted for option "..."': "- TCP4:a:1,crnl=5",
    'option "...": byte value exceeds limit': "- UDP4:a:1,ip-multicast-ttl=256",
    "option ...: invalid value ...": "- PTY,csize=9",
    'problem with "..." data': "- TCP4:a:1,setsockopt-bin=1:2:zz",
    'strtod("...", NULL)': "- TCP4:a:1,connect-timeout=1e999",
    'Invalid (trailing) character(s) "..." in ...': "-d- - -",
    "buffer size option (-b) to big": "-b -1 - -",
    "-U and -u must not be combined": "-u -U - -",
    "only one -L and -W option allowed": "-L a -W b - -",
    "only one use of options lockfile and waitlock allowed": "- PIPE,lockfile=a,waitlock=b",
    'option "..." is experimental': "- TCP4:127.0.0.1:1,netns=no-such",
    "option fork is not possible in a dual address": "- 'TCP-L:1,fork!!-'",
    "option max-children not allowed without option fork": "- TCP-L:1,max-children=2",
    "address is opened in ... mode but only supports ...": "-u - STDIN",
    "unidirectional open of dual address": "-u '-!!-' -",
    "option nofork is not allowed here": "EXEC:ls,nofork -",
    'unknown syslog facility "..."': "-lyfoo - -",
    'cannot open log file "..."': "-lf /none/x - -",
    'error in FD number "..."': "- FD:x",
    "xiotermios_setflags(fd=..., word=..., val=...)": "- PTY,termios-setflags=7:1",
    "TEXT address in write-only context degenerates to STDOUT": "-u - TEXT:a",
    # names, hosts and ports
    'garbage in parameter: "..."': "- SOCKET-CONNECT:x:6:x00",
    "_xiogetaddrinfo(): empty port and service": "- TCP4:a:",
    "port ... is out of range 0..65535": "- UDP4-LISTEN:99999",
    'parseport("..."': "- UDP4-LISTEN:5x",
    'cannot resolve service "..."': "- UDP4-LISTEN:no-such-service",
    "empty host name": "- TLS::443",
    'failed to parse or resolve range "..."': "- TCP4-L:1,range=[::]/8",
    "missing netmask delimiter": "- TUN:10.0.0.1",
    'netmask "..." is too large': "- TCP4-L:1,range=10.0.0.1/33",
    'not a valid ... netmask in "..."': "- TCP4-L:1,range=10.0.0.1/x",
    "the netmask must be a number of bits": "- TUN:10.0.0.1/x",
    "missing brackets for IPv6 range definition": "- TCP6-L:1,range=::1/8",
    "does not begin with an IPv4 address or an IPv6 address in brackets": "- TUN:a/8",
    "write IPv6 addresses in brackets": "- UDP6-RECV:1,ipv6-join-group=ff02::1:lo",
    'syntax error in range "..."': "- SOCKET-LISTEN:2:6:x00007f0000010000000000000000,range=x00",
    "syntax in option ...: ...": "- UDP4:127.0.0.1:9,ip-add-membership=224.1.1.1",
    'option "dst": more than ... networks': "- UDP4-RECV:1,dst=" + "+".join(["10.0.0.1"] * 17),
    'option "dst=..."': "- UDP4-RECV:1,dst=nonsense",
    'option "bind": a host, ":port" or "host:port" is required': "- TCP4:127.0.0.1:1,bind=",
    "port specification not allowed in this bind option": "- UDP4-RECV:1,bind=10.0.0.1:5",
    'error resolving bind option "..."': "- UDP4-DATAGRAM:127.0.0.1:1,bind=[::1]",
    'bind option "..."': "- TCP4:127.0.0.1:1,bind=[::1]",
    'interface "..." not found: there is none of that name now': "- UDP4:a:1,so-bindtodevice=none0",
    'unknown protocol family "..."': "- TCP:a:1,pf=x",
    # connections
    "option dst is for datagrams; connections have bind": "- TCP4-L:1,dst=unicast",
    "binds to its last parameter, bind option not allowed": "- SOCKET-LISTEN:2:6:x00,bind=x00",
    # datagrams and groups
    "... is no multicast group": "- MCAST:10.0.0.1:5",
    "a group has a port from 1 to 65535": "- MCAST:224.1.1.1:0",
    "the source before '@' must be a host": "- MCAST:224.1.1.2@224.1.1.1:5",
    'interface "..." not found': "- MCAST:224.1.1.1:5,if=none0",
    '"..." leaves no interface': '- \'MCAST:224.1.1.1:5,if="lo,!lo"\'',
    "a broadcast has one interface": '- \'BCAST:5,if="lo,check0"\'',
    'IP protocol "..." is not a number from 0 to 255': "- IP4:a:x",
    "protocol number exceeds 255": "- IP4:a:256",
    # seals
    '"..." has no key': "-u - UDP4-SENDTO:10.0.0.1:5,seal={d}/empty",
    "option seal is for addresses of group DGRAM only": "-g - TCP4:a:1,seal={d}/key",
    "option ... needs option seal with a group key": "- UDP4:a:1,sign-key={d}/key",
    'key file "..."': "- UDP4-SENDTO:10.0.0.1:5,seal={d}/open",
    '"..." line ... is no key': "- UDP4-SENDTO:10.0.0.1:5,seal={d}/nokey",
    '"..." line ...: more than ... keys': "- UDP4-SENDTO:10.0.0.1:5,seal={d}/many",
    "keys ... are the same": "- UDP4-SENDTO:10.0.0.1:5,seal={d}/twice",
    '...: "..." is one word too many': "--help a b",
    '--help: there is no topic, type, option or flag "..."': "--help no-such-word",
    # TLS
    "no certificate given": "- TLS-L:1",
    "BIO_new_file(...)": "- TLS-L:1,cert={z}/server.pem,dhparam=/none",
    "... holds no Diffie-Hellman parameters": "- TLS-L:1,cert={z}/server.pem,dhparam={z}/server.pem",
    'private key "..." can be read by others': "- TLS-L:1,cert={z}/server.crt,key={d}/readable.key",
    'certificate "..." must be a PEM file that can be read': "- TLS-L:1,cert=/none",
    'certificate "..." has expired on ...: whoever verifies it refuses it': "- TLS-L:1,cert={z}/expired.pem",
    'certificate "..." is not valid before ...: whoever verifies it refuses it': "- TLS-L:1,cert={z}/future.pem",
    'certificate "..." expires on ...: have it renewed': "- TLS-L:1,cert={z}/soon.pem",
    'there is no trusted certificate in "..."': "- TLS:a:1,cafile={d}/empty",
    'directory "..." of trusted certificates': "- TLS:a:1,capath=/none",
    'directory "..." has no certificates named by their hash': "- TLS:a:1,capath={d}",
    "option key has no effect without option cert": "- TLS:a:1,key={z}/client.key",
    "option ... has no effect: it is for ...": "- TLS-L:1,cert={z}/server.pem,snihost=x",
    'all trusted certificates in "..." have expired': "- TLS:a:1,cafile={z}/expired.crt",
    'the private key is expected in "..."': "- TLS-L:1,cert={z}/server.crt,key={z}/client.key",
    'trusted certificates "..." could not be read': "- TLS:a:1,cafile=/none",
    'Unknown SSL/TLS version "..."': "- TLS:a:1,openssl-min-proto-version=TLS9",
    "this library does not have it": "- TLS:a:1,openssl-min-proto-version=SSL2",
    "unknown compression method": "- TLS:a:1,openssl-compress=zip",
    "maxsendfrag ... out of range": "- TLS:a:1,openssl-maxsendfrag=5",
    "maxfraglen ... is not one of": "- TLS:a:1,openssl-maxfraglen=5",
    "maxfraglen option not applicable to a server": "- TLS-L:1,openssl-maxfraglen=512",
    'openssl-alpn="..."': "- 'TLS:a:1,openssl-alpn=\"a,,b\"'",
    "has no effect: OpenSSL 3 seeds itself from the kernel": "- TLS:a:1,openssl-egd=/x",
    "refusing to set empty SNI host name": "- TLS:a:1,snihost=",
    # proxies
    "with the password for the proxy can be read by everybody": "- PROXY:a:b:1,proxy-authorization-file={d}/auth",
    "contains a blank or a control character": "- 'PROXY:a:b c:1'",
    "... is empty": "- PROXY:a::1",
    "Only one of options proxy-authorization and proxy-authorization-file allowed": "- PROXY:a:b:1,proxyauth=x,proxy-authorization-file={d}/auth",
    "does not hold one line user:password": "- PROXY:a:b:1,proxy-authorization-file={d}/twolines",
    "SOCKS5 username without password": "- SOCKS5:127.0.0.1:b:1,socksuser=x",
    "SOCKS5 password without username": "- SOCKS5:127.0.0.1:b:1,sockspass=x",
    "option sockspass has no effect": "- SOCKS4A:a:b:1,sockspass=x",
    "the target's name is missing": "- SOCKS4:a::1",
    "nobody can be connected at port 0": "- SOCKS5:a:b:0",
    "is longer than ... bytes": "- SOCKS5:a:" + "b" * 300 + ":1",
    # files, programs and terminals
    'open("...", ...)': "- OPEN:{d}/none,rdonly",
    'creat("...': "-u - CREATE:/none/x",
    'stat("...")': "- OPEN:{d}/empty/x",
    "refusing to truncate or create file": "-u CREATE:{d}/x -",
    "xioopen_foxec(): option fdin is useless": "-u EXEC:ls,fdin=3 -",
    "option fdout is useless": "-u - EXEC:ls,fdout=3",
    'options "pipes" and "pty" must not be specified together': "- EXEC:ls,pipes,pty",
    "the command line is empty": "- EXEC:",
    "SHELL variable undefined": "- SHELL:ls",
    "variable does not specify a path": "- SHELL:ls,shell=sh",
    "execvp(...): No such file or directory": "- EXEC:no-such-program",
    "... is outside range 0..65535": "- PTY,tiocswinsz=70000:1",
    'getpwnam("..."): no such user': "- TCP-L:1,su=no-such-user",
    'getgrnam("..."): no such group': "- TCP-L:1,setgid=no-such-group",
    "getpwuid(...): no such user": "- TCP-L:1,su=43210",
    "more than ... changes of the process in one address": "- TCP-L:1" + ",setsid" * 40,
    "an empty path cannot be the name of a socket": "- UNIX:",
    "address ... characters long, truncating to ...": "- UNIX-L:/" + "x" * 120,
    "binds implicitly, ... option not allowed": "- UNIX-L:/x,bind=/y",
    'Option "..." only with bind option': "- UNIX:/x,mode=600",
    "do not use both options bind and unix-bind-tempname": "- UNIX:/x,bind=/y,bind-tempname=/zXXXXXX",
    "path pattern is not valid": "- UNIX:/x,bind-tempname=/z",
    'tempnam("...': "- UNIX:/x,bind-tempname=/z",
    "regcomp(...)": "- READLINE,noecho=(",
    # interfaces and queues
    'unknown tun-type "..."': "- TUN,tun-type=x",
    'tun-name "..." is too long': "- TUN,tun-name=abcdefghijklmnopq",
    "fits TUN only": "- IF:lo,iff-no-pi",
    "fits INTERFACE only": "- TUN,retrieve-vlan",
    "posixmq-priority ... is too high": "-u - POSIXMQ-SEND:/q,posixmq-priority=99999",
    "in bidirectional mode might unwanted flush the queue": "- POSIXMQ:/q",
    "sockaddr_vm - garbage in ...": "- VSOCK:x:1",
    "option --metrics: ...": "--metrics=x - -",
}

EARLIER = {"is longer than ... bytes"}  # a start says so, too, but not before a server has answered

LATER = "it happens while data are relayed"
PEER = "the other side has to answer first"
KERNEL = "the kernel says so when it is tried"
NAME = "a name is looked up, and --check asks nobody"
ONLY_A_START = {
    "signal ... is out of range": "the mask of -S holds no other signals",
    "statistics are experimental": LATER,
    "this address cannot serve several sessions": LATER,
    "FRAMES: ..., at byte ... of what has come from socket ...": LATER,
    "a frame is longer than ... bytes (option frames-max)": LATER,
    "... is ... of a netstring": LATER,
    "a datagram of ... bytes is not sent to socket ...": LATER,
    "SSL_read(): the peer sends one handshake message after the other, and no data": LATER,
    "...: handshake: not over after ... seconds, and others want the place": LATER,
    "what came right behind the answer of the proxy cannot be handed on to a program": LATER,
    "socket ... takes too slowly what socket ... has for it: more than ... bytes wait": LATER,
    "socket ... takes nothing for ... seconds (close-timeout): it is not told the end": LATER,
    "written to socket ... had not been ... when it was lost": LATER,
    "nobody knows how much of what was written to socket ... had been ... when it was lost": LATER,
    "bytes of a datagram had been written to socket ... when it was lost: the rest is dropped": LATER,
    "option reopen: it is made of datagrams": PEER,
    "... records were left out: nobody has read the log": LATER,
    "file descriptor ... is not open": "descriptors come from whoever starts it",
    'xioresolve(node="..."': NAME,
    '_xioopen_ipapp_prepare(node="..."': NAME,
    "No bind address with matching address family": NAME,
    "no low port available": KERNEL,
    "Address already in use": KERNEL,
    "Cannot assign requested address": KERNEL,
    "Permission denied": KERNEL,
    "the socket is not listening; for a connection use FD": "descriptors come from whoever starts it",
    "connecting to ...": PEER, "connect(..., ...)": PEER, "listen(...)": KERNEL, "accept(...)": LATER,
    "... sessions use all descriptors this process may have (ulimit -n: ...), others wait": LATER,
    "...; the session waits until others have ended": LATER, "socket ... has been shut down": LATER,
    "accept: Connection timed out": LATER,
    "this kernel has no ...: its module is not loaded or was not built": KERNEL,
    "refusing connection from ... due to ...": LATER, "the peer of socket ... did not take all that was written to it": LATER,
    "the peer of socket ... has not taken ... bytes yet, for ... seconds (close-timeout): the kernel goes on alone": LATER,
    "socket ... had not ended, but said nothing for ... seconds after the end of socket ...: it is cut off; -t SECONDS waits longer": LATER,
    "... open for writing only: there is nothing to transfer": "open descriptors tell",
    "... bytes from socket ... had nowhere to go: socket ... can only be read from": LATER,
    "... bytes read from socket ... could not be delivered to socket ...": LATER,
    "... more ... of sessions were left out": LATER,
    'the access table "..." cannot be read: it counts as empty': "the tables lie in the root directory of the session",
    "the terminal on stdin says that it is too large for editing lines": LATER,
    'tcpwrap permits everybody: neither "..." nor "..." can be read': "the tables lie in the root directory of the session",
    'could not obtain lock "..."': LATER, 'lock file "..."': LATER, 'link("...", "...")': LATER, 'mkstemp("...': LATER, "fork(): ...": LATER,
    "what is sent is lost until interface ... is back": LATER, "interfaces that come back will not be joined again": LATER,
    "this frame is dropped": LATER, "only the first datagram of this session is delivered": LATER, "Network is unreachable": KERNEL,
    "Connection refused": PEER, "Message too long": LATER, "bound to the unicast address ...": "a name may stand there",
    "bound to the group ..., which this address does not join": "a name may stand there",
    "socket ... hears what it sends, and the pipe gives it back": LATER,
    "the proxy has ended the connection without an answer when it was told that no more will be sent": PEER,
    "datagrams were lost in the receive queue": LATER, "a datagram from ... was longer than ... bytes and has been cut": LATER,
    "... descriptors passed by ... have been closed: only data are relayed": LATER, "datagram from ... dropped: its session is too slow": LATER,
    "IP4: short packet": LATER, "...; lost until it is there again (option forever)": LATER,
    "the sender's socket has no name, so answers cannot reach it": LATER, "more groups than one socket may join": KERNEL,
    "joining ... on ...": KERNEL, "sending by interface ...": KERNEL, "using interface ... only": KERNEL,
    'unknown interface "..."': KERNEL, "no route tells which interface the group is on": KERNEL,
    "interface ... is gone": LATER, "datagrams were lost while interface ... was away": LATER, 'interface "..." has been removed': LATER,
    "interface number ... has been removed": LATER, "interface number ... is down": LATER, "interface number ...": LATER,
    '... of interface "..."': KERNEL, "interface ... refused a packet": LATER,
    '--keygen: unknown kind of key "..."': "it is an action of its own", "write to standard output": "it is an action of its own",
    "due to seal option": LATER, "a datagram of ... bytes cannot be sealed": LATER, "the keys read before stay in use": LATER,
    "libsodium finds no source of random numbers": KERNEL,
    "the peer has shown no certificate": PEER, "handshake": PEER, 'certificate is valid but its commonName does not match hostname "..."': PEER,
    "the peer's certificate is not trusted": PEER, "the peer ended the connection ...without close-notify": PEER,
    "clients have to show a certificate that cafile verifies": PEER, "the server wants a certificate of its clients": PEER,
    "the peer seems to speak no TLS": PEER, "the peer ended the handshake": PEER, "the connection has ended": PEER, "a datagram of ... bytes does not fit into a DTLS record": LATER,
    "this program was built without ...": "another build is needed", "feature module ... cannot be loaded": "another build is needed",
    "feature module ... has no function ...": "another build is needed",
    "the proxy is given the name": NAME, "no complete ... within ... seconds": PEER, "proxy: invalid answer": PEER, "CONNECT ...: ...": PEER,
    "proxy answer exceeds ... bytes": PEER, "a line of the answer ends with a bare newline": PEER, "socks: ...": PEER,
    "socks: reply code version is not 0": PEER, "SOCKS5 server error ...": PEER, "SOCKS5 server hello version was ...": PEER,
    "SOCKS5 reply version was ...": PEER, "SOCKS5 authentication answer has version ...": PEER, "invalid SOCKS5 reply address type": PEER,
    "SOCKS5 authentication negotiation failed": PEER, "SOCKS5 server chose authentication method ...": PEER,
    'SOCKS5 authentication for user "..." failed': PEER, "authentication with SOCKS5 server failed": PEER,
    "fcntl(...)": KERNEL, 'option ... "..."': "-r and -R make their files", 'unlink("...")': KERNEL, "mkfifo(...)": KERNEL, 'symlink("...': KERNEL,
    "write(...)": LATER, "read(...)": LATER, "sendfile(...)": LATER,
    "waitpid(): child ... exited with status ...": LATER, "waitpid(): child ... exited on signal ...": LATER,
    'system("...") returned with status ...': LATER, "tcgetattr(...)": KERNEL, "tcsetattr(...)": KERNEL,
    "the terminal on stdin cannot be used for editing lines": KERNEL, 'chroot("...': KERNEL, "setuid(...)": KERNEL, "setgid(...)": KERNEL, "setns(...)": KERNEL,
    '"..." exists': "whoever has made it may be gone at the start", 'option link: "..." is no symbolic link': "the same",
    "ioctl(..., ...): ... bytes are too many": KERNEL,
    'interface "...": the stream holds something else than IP packets, so each block of it is taken for one': LATER,
    'interface "...": frames out of a stream cannot be told apart': LATER,
    'interface "...": the stream has ended within a packet, ... bytes are dropped': LATER, "needs the capability CAP_NET_ADMIN": KERNEL,
    "sending and receiving frames needs the capability CAP_NET_RAW": KERNEL, "another program uses an interface of this name": KERNEL,
    "IPv6 is switched off there": KERNEL, "the driver does not take this size": KERNEL, 'mq_open("...': KERNEL, "mq_receive(...)": LATER,
    "mq_send(...)": LATER, "NOTIFY_SOCKET...": LATER, "the CID of this machine is not known": KERNEL, "mmap(NULL, ...) for counters": KERNEL,
    "transfer engine not yet started, statistics not available": LATER,
}


def heads():
    """The heads of the manual's section, as people read them."""
    with open(os.path.join(lab.ROOT, "man/socast.1.in"), encoding="utf-8") as f:
        page = f.read()
    section = page[page.index(".Sh DIAGNOSTICS"):page.index(".Sh SEE ALSO")]
    return [h.replace("\\&", "").replace("\\(dq", '"').replace("\\-", "-").replace("\\e", "\\") for h in re.findall(r"^\.It (.*)$", section, re.M)]


def pattern(head):
    return re.compile(".*".join(re.escape(part) for part in head.split("...")))


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return zoo_if_any(tmp_path_factory)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, zoo):
    d = tmp_path_factory.mktemp("files")
    key, other = "01" * 32, "%064x"
    for name, text, mode in (("key", key + "\n", 0o600), ("empty", "# none\n", 0o600), ("open", key + "\n", 0o644), ("nokey", "zz\n", 0o600),
                             ("twice", f"{key}\n{key}\n", 0o600), ("many", "".join(other % n + "\n" for n in range(40)), 0o600),
                             ("auth", "me:secret\n", 0o644), ("twolines", "me:secret\nyou:secret\n", 0o600)):
        (d / name).write_text(text, encoding="ascii")
        (d / name).chmod(mode)
    if zoo:
        (d / "readable.key").write_text(zoo.read("server.key"), encoding="ascii")
        (d / "readable.key").chmod(0o644)
    return d


def test_every_sentence_is_in_a_table():
    assert not set(PROVOKED) & set(ONLY_A_START)
    known = set(PROVOKED) | set(ONLY_A_START)
    assert sorted(set(heads()) - known) == [] and sorted(known - set(heads())) == []


def words(line, folder, zoo):
    if "{z}" in line and not zoo:
        pytest.skip("needs OpenSSL")
    return [w.replace("{d}", str(folder)).replace("{z}", zoo.d if zoo else "") for w in shlex.split(line)]


def plain(record):
    """A sentence without what differs from start to start: descriptors, places in memory."""
    return re.sub(r"fd=-?\d+|0x[0-9a-f]+|\(nil\)", "N", record)


def needs(line):
    for word, feature in (("TLS", "OPENSSL"), ("seal=", "SEAL"), ("READLINE", "READLINE")):
        if word in line and not lab.has(feature):
            pytest.skip(f"program built without {feature}")


@pytest.fixture(scope="module", autouse=True)
def second_interface(_local):
    _local.ip("link add check0 type veth peer name check1", "link set check0 up", "link set check1 up")
    yield
    _local.ip("link del check0")


@pytest.mark.parametrize("head", PROVOKED)
def test_found(local, folder, zoo, head):
    """--check says it, and if that is an error, a start ends with the very same one."""
    line = PROVOKED[head]
    needs(line)
    args = words(line, folder, zoo)
    r = local.run("--check", *args, env={"SHELL": None}, input=None)
    assert pattern(head).search(r.log), r
    errors = [plain(e) for e in re.findall(r" E (.*)", r.log)]
    assert r.status == (1 if errors else 0), r
    if errors and "--help" not in args and head not in EARLIER:
        start = local.run("-T.3", *args, env={"SHELL": None})
        assert start.status and errors[0] in [plain(e) for e in re.findall(r" E (.*)", start.log)], start


@pytest.mark.parametrize("line", [
    "TCP4-L:80,range=10.0.0.1 -", "TCP4-L:80,range=10.0.0.0/8 -", "TCP4-L:80,range=some.name.test/8 -", "TCP6-L:80,range=[fd00::]/64 -",
    "- TCP4:no.such.name.test:http", "- UDP4:no.such.name.test:domain", "- TCP4:a:1,bind=no.such.name.test:5", "- MCAST:no.such.group.test:5",
    "- UDP4:a:1,ip-add-membership=no.such.group.test:lo", "- TCP:no.such.name.test:80,bind=[::1]", "- UDP-SENDTO:no.such.name.test:80,bind=[::1]:5",
    "TCP-L:80,bind=no.such.name.test,range=[fd00::]/8 -", "ACCEPT-FD:3,range=[::1]/128 -", "- UDP-DATAGRAM:no.such.name.test:5,range=[fd00::]/8,dst=multicast", "- EXEC:ls", "- 'SYSTEM:no-such-command but a shell'", "- EXEC:ls,path=/bin",
    "- UNIX:{d}/not-yet-there", "-u OPEN:{d}/key -", "-u - OPEN:{d}/new,creat", "-u - CREATE:{d}/new", "- GOPEN:{d}/new", "PTY,link={d}/pty,raw,b9600,cs8 -",
    "- TLS:a:1,cafile={z}/ca.crt,cert={z}/client.crt,key={z}/client.key", "- TLS:a:1,cn=a,cn=b", "- 'SOCKS5-LISTEN(to=0.0.0.0:0)+TCP:a:1'",
    "- 'TLS(cafile={z}/ca.crt)+TLS(cafile={z}/self.crt)+TCP:a:1'", "TLS-L:1,cert={z}/server.pem,verify=0 -", "- TCP4:1.2.3.4:1,bind=:5,sourceport=6",
    "- SOCKS5:a:b:80,socksuser=x,sockspass=y", "- 'PROXY(to=c:1)+PROXY:a:b:1,proxyport=3128'", "-u - UDP4-SENDTO:10.0.0.1:5,seal={d}/key", "- MCAST:224.1.1.1:5,if=to-come0,if-wait=5",
    "EXEC:ls,su=root TCP4:a:1", "- EXEC:cat,fdin=3,fdout=4", "- 'SHELL:ls,shell=/bin/sh'", "- EXEC:ls,nofork", "FD:7 -", "- IP4:a:255",
    "'UDP4-RECV:1!!/dev/null' -", "- 'STDIN!!STDOUT'", "- 'UNIX-RECV:{d}/r!!UNIX-SENDTO:{d}/s'"])
def test_good_lines(local, folder, zoo, line):
    """What is right, or cannot be known yet, is no error."""
    needs(line)
    before = sorted(os.listdir(folder))
    r = local.run("--check", *words(line, folder, zoo), input=None)
    assert (r.status, r.out, r.err) == (0, b"", b""), r
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("line,text", [
    ("- TCP4-LISTEN:70-80", '"70-80" is neither the number of a port'), ("- TCP4:host:port", '"port" is neither the number of a port'),
    ("- TCP4:a:1,bind=1.2.3.4:99999", "port 99999 is out of range"), ("- TLS:a:99999", "port 99999 is out of range"),
    ("- SOCKS4:a:b:1,socksport=99999", "port 99999 is out of range"), ("- PROXY:a:b:1,proxyport=99999", "port 99999 is out of range"),
    ("- MCAST:224.1.1.1:x", "cannot resolve service"), ("- BCAST:99999", "port 99999"), ("- SCTP4-LISTEN:99999", "port 99999"),
    ("- UDP4-DATAGRAM:224.1.1.1:1,bind=:99999", "port 99999"), ("-!!TCP4:a:99999 -", "port 99999"), ("TCP4:a:99999!!- -", "port 99999"),
    ("- UDP4:a:1,ip-add-source-membership=224.1.1.1:lo", "missing ':'"), ("- UDP6:a:1,ipv6-join-group=[ff02::1]", "missing ':'"),
    ("- UDP6:a:1,ipv6-join-group=[ff02::1]:none0", 'interface "none0" not found'), ("- BCAST:5,if=none0", 'interface "none0" not found'),
    ("- TCP4:1.2.3.400:80", "Name or service not known"), ("- TCP4:1.2.3.4.5:80", "Name or service not known"), ("- TCP6:1.2.3.4:80", "getaddrinfo"),
    ("- TCP4:[::1]:80", "getaddrinfo"), ("- MCAST:300.1.1.1:5", "Name or service not known"), ("- UDP4:a:1,bind=1.2.3.400", "error resolving bind"),
    ("- UDP4:a:1,ip-add-membership=300.1.1.1:lo", "Name or service not known"), ("TCP4-L:1,range=300.1.1.1/8 -", "failed to parse or resolve range"),
    ("- EXEC:/etc/passwd", "Permission denied"), ("- EXEC:/etc", "Permission denied"), ("- EXEC:./none", "No such file"),
    ("- EXEC:ls,path=/none", "No such file"), ("- 'SHELL:ls,shell=/none/sh'", 'execvp("/none/sh"'), ("- EXEC:none,nofork", 'execvp("none"'),
    ("- OPEN:{d},wronly", "Is a directory"), ("- GOPEN:/none/x", "No such file"), ("-u - OPEN:/none/x,creat", "No such file"),
    ("- DTLS:a:1,cafile=/none", "could not be read"), ("- DTLS-L:1,cert=/none", "must be a PEM file"),
    ("- UDP4-DATAGRAM:10.0.0.1:1,range=1.2.3.4/40", "too large"), ("- UDP4-RECVFROM:1,range=1.2.3.4/x", "netmask"),
    ("- UDP4:a:1,seal=/none", "No such file"), ("- PROXY:a:b:1,proxy-authorization-file=/none", "No such file"),
    ("- 'TLS(cert={z}/server.crt,key={z}/client.key)+TCP:a:1'", "must belong to the certificate"), ("- 'TLS(cafile={z}/server.key)+TCP:a:1'", "there is no trusted certificate in"),
    ("- 'TLS+SOCKS5(to=a:99999)+TCP:x:1'", "port 99999"), ("- 'SOCKS5(to=1.2.3.400:1)+TCP:x:1'", '"1.2.3.400" is neither the name nor'),
    ("- 'SOCKS5(to=[zz]:1)+TCP:x:1'", '"[zz]" is neither the name nor'), ("- 'PROXY(to=a:0)+TCP:x:1'", "PROXY: nobody can be connected at port 0"),
    ("- 'SOCKS4A(to=a:00)+TCP:x:1'", "nobody can be connected at port 0"), ("- 'SOCKS4(to=[::1]:1)+TCP:x:1'", "Address family for hostname not supported"),
    ("- 'TLS(cafile={z}/ca.crt)+TCP:a:1,openssl-cafile=x'", 'option "openssl-cafile" of layer TLS is given twice: in its parentheses, and behind'),
    ("- 'SOCKS5(to=a:1,to=b:1)+TCP:x:1'", 'option "to" of layer SOCKS5 is given twice'), ("- 'TLS+UNIX:/x,cn=a,cn=b'", 'option "cn" of layer TLS is given twice'),
    ("- 'SOCKS5(to=a:1,cafile=x)+TLS+TCP:x:1'", "put it in parentheses: TLS(cafile=...)+"), ("- 'TLS(socksuser=x)+TCP:x:1'", "it is one of SOCKS4, SOCKS4A, SOCKS5, SOCKS5-LISTEN"),
    ("- TLS+TCP:a:1,to=b:1", 'option "to" fits the layers SOCKS4, SOCKS4A, SOCKS5'), ("- UNIX:/x,cafile=a", "and the layers TLS, DTLS"), ("- UNIX:/x,proxyport=1", 'option "proxyport" fits PROXY\n'),
    ("- 'SOCKS5(to=a:1,cafile=x)+TLS:x:1'", "options of the whole address stand behind it: ...,cafile"), ("- 'TLS(bind=:1)+TCP:x:1'", "stand behind it: ...,bind"),
    ("- 'PROXY(to=a:1)+PROXY(to=b:1)+TCP:x:1,proxyauth=me:secret'", "could be that of PROXY or that of another PROXY"),
    ("- 'PROXY(to=a:1)+SOCKS5-LISTEN(to=b:1)+TCP:x:1'", "PROXY+SOCKS5-LISTEN: PROXY has no server side"),
    ("- 'DTLS(cn=x)+INTERFACE:lo'", "DTLS cannot stand on INTERFACE, whose datagrams are for many"), ("- SOCKS5:a:b:1,netns=none", "SOCKS5:a:"),
    ("- TCP4:a:1,netns=no-such-namespace", "No such file"), ("- TCP4:a:1,chdir=/none", "No such file")])
def test_kin(local, folder, zoo, line, text):
    """The brothers of the sentences above: other types, other places."""
    needs(line)
    r = local.run("--check", *words(line, folder, zoo), input=None)
    assert r.status == 1 and text in r.log and "secret" not in r.log and "(null)" not in r.log, r


def test_a_file_that_may_not_be_read(local, tmp_path):
    """With the rights of whoever checks."""
    if not lab.REAL_ROOT:
        pytest.skip("needs root, to have a file of another user's")
    f = tmp_path / "secret"
    f.write_text("x")
    f.chmod(0o600)
    for d in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        d.chmod(0o755)
    argv = ["setpriv", "--reuid", "65534", "--clear-groups", lab.SOCAST, "--check", "-u", f"OPEN:{f}", "-"]
    r = local.command(argv).wait(5)
    assert r.status == 1 and f'E open("{f}", 00, 0666): Permission denied' in r.log, r
    r = local.command([*argv[:-3], "-u", "-", f"CREATE:{tmp_path}/new"]).wait(5)
    assert r.status == 1 and f'E creat("{tmp_path}/new", 0666): Permission denied' in r.log, r


def test_sloppy(local):
    """-s: a bad value is told, and does not count."""
    r = local.run("--check", "-s", "-u", "UDP4-RECV:5,ip-add-membership=224.1.1.1", "-", input=None)
    assert r.status == 0 and "missing ':'" in r.log, r
