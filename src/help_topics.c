/* help_topics.c - topics and examples for --help, see help_topics.h */
#include "help_topics.h"

#include "base/list.h"

#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct help_topic topics[] = {
	{ "addresses address types", "how an address is written",
	  "An address is TYPE:PARAMETERS,OPTION,OPTION=VALUE. A path is a short form for GOPEN, \"-\" for\n"
	  "STDIO, a number for FD. Two addresses joined by !! make one: the first is read, the second written.\n"
	  "  socast - TCP:192.168.10.2:80,connect-timeout=3\n"
	  "  socast 'OPEN:in,rdonly!!CREATE:out' TCP:192.168.10.2:80\n"
	  "Names of types and options ignore case. --help TYPE and --help OPTION explain each.\n" },
	{ "forward forwarding port-forward port-forwarding relay redirect port ports many-ports port-range tcp-forward udp-forward", "hand connections or datagrams on",
	  "fork serves many at once, reuseaddr lets the next start have the port at once.\n"
	  "  socast TCP-LISTEN:8080,fork,reuseaddr TCP:192.168.10.2:80\n"
	  "  socast TCP-LISTEN:8080,fork,reuseaddr,bind=127.0.0.1 UNIX-CONNECT:/run/app.sock\n"
	  "  socast UDP-LISTEN:5353,fork UDP:192.168.10.2:53\n"
	  "One line serves one port; for many ports, or a range of ports, start one each:\n"
	  "  for p in $(seq 8000 8010); do socast TCP-LISTEN:$p,fork,reuseaddr TCP:192.168.10.2:$p & done\n" },
	{ "netcat nc telnet listen port-check portcheck scan probe", "talk and listen by hand",
	  "  socast - TCP-LISTEN:7000,reuseaddr\n"
	  "  socast - TCP:192.168.10.2:7000\n"
	  "Only listen. In the background of a script standard input is /dev/null, which ends at once: with \"-\"\n"
	  "and without -u the session would end, too.\n"
	  "  socast -u TCP-LISTEN:7000,reuseaddr -\n"
	  "By UDP, waiting 5 seconds for answers; UDP would send an empty datagram at the end of input, which\n"
	  "a server may answer, too:\n"
	  "  socast -t 5 - UDP4-SENDTO:192.168.10.2:5000\n"
	  "Is a port open? The exit status tells:\n"
	  "  socast -u /dev/null TCP:192.168.10.2:80,connect-timeout=3\n" },
	{ "multicast group groups mcast igmp mld why", "groups: hear, send, find out why nothing arrives",
	  "MCAST sends to a group and hears it; bind only by interface (if=).\n"
	  "  socast -u MCAST:239.1.2.3:5000,if=lo -\n"
	  "  socast - MCAST:239.1.2.3:5000,hops=4\n"
	  "  socast -u - UDP4-DATAGRAM:239.1.2.3:5000\n"
	  "Answers that come by unicast are heard with answers=any. When nothing arrives:\n"
	  "  socast --doctor MCAST:239.1.2.3:5000\n"
	  "and, whether anybody asks by IGMP who is a member:\n"
	  "  socast --doctor --wait 130 MCAST:239.1.2.3:5000\n" },
	{ "discovery discover ssdp upnp mdns bonjour avahi zeroconf dns-sd", "ask a group, hear all answers",
	  "Answers come by unicast: from the port that was asked, or (answers=any) from any port.\n"
	  "  socast -t 2 - UDP4-DATAGRAM:239.255.255.250:1900,answers=any,crnl\n"
	  "  socast -t 2 - UDP4-DATAGRAM:224.0.0.251:5353\n"
	  "Who answers, and what everybody says in a group:\n"
	  "  socast UDP4-RECVFROM:6666,ip-add-membership=224.1.0.1:lo,fork EXEC:hostname\n"
	  "  socast -u -x -v MCAST:224.0.0.251:5353,if=lo /dev/null\n" },
	{ "broadcast bcast chat wol wake wake-on-lan wakeonlan magic-packet",
	  "everybody on the local network",
	  "A chat without a server, and a file as one datagram for all of one network:\n"
	  "  socast - BCAST:7777\n"
	  "  socast -u OPEN:in,rdonly UDP4-DATAGRAM:192.168.10.255:9,broadcast\n"
	  "Wake the computer 00:11:22:33:44:55 (a magic packet: six bytes 255, sixteen times the address; it\n"
	  "must leave in one write, and the printf of bash makes several of some addresses):\n"
	  "  m=$(printf '\\\\%03o' 0x00 0x11 0x22 0x33 0x44 0x55); m=$m$m$m$m\n"
	  "  env printf \"\\377\\377\\377\\377\\377\\377$m$m$m$m\" | socast -u - BCAST:9\n" },
	{ "udp datagrams datagram", "which UDP type for what",
	  "UDP4-RECV hears everybody; UDP4-RECVFROM,fork answers each datagram; UDP4-LISTEN,fork keeps a\n"
	  "session for each peer; UDP4-SENDTO sends to one and hears its answers; UDP4-DATAGRAM sends to one\n"
	  "or many and hears its port.\n"
	  "  socast -u UDP4-RECV:5000 -\n"
	  "  socast UDP4-RECVFROM:5000,fork EXEC:hostname\n"
	  "  socast UDP4-LISTEN:5000,fork,session-timeout=60 SYSTEM:'tr a-z A-Z'\n"
	  "  socast -t 5 - UDP4-SENDTO:192.168.10.2:5000\n" },
	{ "tls ssl certificate certificates client-certificate mtls https stunnel encryption encrypt self-signed auth", "encrypted connections",
	  "Clients verify the server and its name, unless verify=0. A server needs cert= (with its key).\n"
	  "Make server.pem, and give server.crt to the clients:\n"
	  "  openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.crt\n"
	  "  cat server.crt server.key > server.pem; chmod 600 server.key server.pem\n"
	  "  socast - TLS:www.example.org:443\n"
	  "  socast - TLS:192.168.10.2:4433,cafile=server.crt,commonname=server\n"
	  "  socast TLS-LISTEN:4433,fork,reuseaddr,cert=server.pem,verify=0 TCP:127.0.0.1:80\n"
	  "Clients with a certificate (made likewise, alice.crt then goes into clients.crt), the server first:\n"
	  "  socast TLS-LISTEN:4433,fork,reuseaddr,cert=server.pem,cafile=clients.crt TCP:127.0.0.1:80\n"
	  "  socast - TLS:192.168.10.2:4433,cafile=server.crt,commonname=server,cert=alice.pem\n"
	  "On a UNIX socket, a program, through a proxy: --help layers.\n" },
	{ "serial serial-port tty ttys pty pseudo-terminal device com com-port rs232 uart modem null-modem minicom ser2net virtual-serial virtual", "serial lines and terminals of devices",
	  "  socast - OPEN:/dev/ttyUSB0,b115200,raw,echo=0\n"
	  "  socast TCP-LISTEN:7000,reuseaddr,fork,max-children=1 OPEN:/dev/ttyUSB0,b115200,raw,echo=0\n"
	  "A device that is plugged out and in again, without the end of the session:\n"
	  "  socast TCP-LISTEN:7000,reuseaddr OPEN:/dev/ttyUSB0,b115200,raw,echo=0,reopen\n"
	  "Two real ports joined; a null modem, that is, two virtual ports joined:\n"
	  "  socast /dev/ttyS0,b9600,raw,echo=0 /dev/ttyS1,b9600,raw,echo=0\n"
	  "  socast PTY,link=/tmp/ttyV0,raw,echo=0 PTY,link=/tmp/ttyV1,raw,echo=0\n"
	  "A terminal that stays while its network side is connected again and again (-t 0: nothing more is\n"
	  "sent into a connection that has ended):\n"
	  "  socast -t 0 PTY,link=/tmp/ttyV0,raw,echo=0 TCP:192.168.10.2:7000,forever,fork,max-children=1\n" },
	{ "shell bash sh terminal interactive remote-shell reverse reverse-shell window-size window ctrl-c signal", "a shell with a terminal, from afar",
	  "One side offers it, the other brings its own terminal:\n"
	  "  socast TCP-LISTEN:7001,reuseaddr,bind=127.0.0.1 EXEC:bash,pty,stderr,setsid,sigint,ctty\n"
	  "  socast -,raw,echo=0 TCP:127.0.0.1:7001\n"
	  "The other way round (a reverse shell), the host with the shell connects:\n"
	  "  socast -,raw,echo=0 TCP-LISTEN:7001,reuseaddr\n"
	  "  socast TCP:192.168.10.2:7001,forever EXEC:bash,pty,stderr,setsid,sigint,ctty\n"
	  "The shell does not learn the size of your window; say it there: stty rows 50 cols 132 (your own\n"
	  "\"stty size\" prints rows and columns). Ctrl-C goes to the programs of the shell.\n"
	  "Whoever connects gets the shell: see --help security.\n" },
	{ "programs program command script exec system inetd xinetd cgi web http web-server webserver per-connection", "programs as addresses",
	  "EXEC calls a program, SYSTEM a line of the shell; pty gives it a terminal, stderr takes its errors.\n"
	  "  socast TCP-LISTEN:7000,fork,reuseaddr EXEC:./answer.sh\n"
	  "  socast -u SYSTEM:'date; uptime' TCP:192.168.10.2:7000\n"
	  "The page of a web server (crnl makes the line ends of HTTP):\n"
	  "  socast TCP-LISTEN:8081,fork,reuseaddr,crnl SYSTEM:'read l; echo HTTP/1.0 200 OK; echo; date'\n"
	  "A comma or colon in a line of the shell wants a backslash before it.\n" },
	{ "environment env variables variable", "what a program is told, and how to tell it more",
	  "A program finds SOCAST_PEERADDR and SOCAST_PEERPORT (who has connected), SOCAST_SOCKADDR and\n"
	  "SOCAST_SOCKPORT (where), SOCAST_PID, and more with TLS and some options; the manual has the list.\n"
	  "  socast TCP-LISTEN:7000,fork,reuseaddr SYSTEM:'echo hello $SOCAST_PEERADDR'\n"
	  "Variables of your own come from the shell that starts socast, or in the command:\n"
	  "  socast TCP-LISTEN:7000,fork,reuseaddr EXEC:'env COLOUR=red ./answer.sh'\n" },
	{ "layers layer stack stacks nested inner outer plus", "layers: TLS and proxies on anything",
	  "A layer is written in front of what it stands on, with a plus; its options stand in parentheses,\n"
	  "and the shell wants quotes then. The right-most word is the transport.\n"
	  "  socast - 'TLS(cafile=ca.crt,commonname=db)+UNIX:/run/db.sock'\n"
	  "  socast 'TLS(cert=server.pem,verify=0)+UNIX-LISTEN:/run/app.sock,fork' TCP:127.0.0.1:80\n"
	  "  socast - 'TLS(cafile=a.crt)+TLS(cafile=b.crt)+TCP:host2:4430'\n"
	  "  socast - 'TLS+PROXY(to=example.org:443)+TCP:proxy:3128'\n"
	  "  socast - 'TLS(commonname=db)+EXEC:\"ssh bastion -W db:5432\"'\n"
	  "  socast 'TLS(role=server,cert=server.pem,verify=0)+STDIO' TCP:127.0.0.1:80\n"
	  "TLS stands on any stream (programs, terminals, pipes, TLS, too), DTLS on datagrams of UDP, SOCKS4,\n"
	  "SOCKS4A, SOCKS5 and PROXY on any stream to such a server.\n" },
	{ "ipv6 ipv4 v6 v4", "both versions of IP",
	  "Types with 6 or 4 in their name have that version; the others connect by whatever the name has, and\n"
	  "listen by IPv4, with -6 by IPv6. An IPv6 address stands in brackets. IPv6 clients of an IPv4 server:\n"
	  "  socast TCP6-LISTEN:8080,fork,reuseaddr TCP4:192.168.10.2:80\n"
	  "  socast - TCP6:[::1]:80\n"
	  "TCP6-LISTEN hears IPv4 clients, too; ipv6only keeps them out.\n" },
	{ "tunnel vpn tun tap bridge", "a network between two hosts",
	  "Each host starts one of these (the other one with its own addresses); they need root:\n"
	  "  socast UDP4-DATAGRAM:192.168.10.2:11443,bind=:11443 TUN:10.99.0.1/24,up\n"
	  "With tun-type=tap there are frames, for a bridge; INTERFACE:eth0 has those of an interface:\n"
	  "  socast UDP4-DATAGRAM:192.168.10.2:11443,bind=:11443 TUN,tun-type=tap,tun-name=tap0,up\n"
	  "  ip link set tap0 master br0\n"
	  "Nothing is encrypted but with seal=FILE at the UDP address; socast --keygen makes the file.\n" },
	{ "proxy socks http-proxy connect-proxy ssh jump proxycommand tor password bastion jump-host auth", "through a proxy",
	  "Many proxies end the whole connection when our input ends; add shut-none so that they are not told,\n"
	  "and -t, which is how long the answer is waited for. Behind \"echo request |\":\n"
	  "  socast -t 5 - PROXY:proxy.example.org:192.168.10.2:80,proxyport=3128,shut-none\n"
	  "  socast -t 5 - SOCKS5:127.0.0.1:1080:www.example.org:80,shut-none\n"
	  "With a password (--help proxyauth, too):\n"
	  "  socast -t 5 - SOCKS5:127.0.0.1:1080:www.example.org:80,socksuser=joe,sockspass=secret,shut-none\n"
	  "In ~/.ssh/config, for ssh through a proxy:\n"
	  "  ProxyCommand socast - PROXY:proxy.example.org:%h:%p,proxyport=3128\n"
	  "A port behind a jump host (bastion) that forwards none:\n"
	  "  socast TCP-LISTEN:8080,fork,reuseaddr,bind=127.0.0.1 EXEC:'ssh bastion socast - TCP\\:web\\:80'\n" },
	{ "files file copy transfer file-transfer send upload download tail fifo append tar folder directory growing follow", "files, logs, FIFOs",
	  "  socast -u OPEN:in,rdonly TCP:192.168.10.2:9000\n"
	  "  socast -u TCP-LISTEN:9000,reuseaddr CREATE:out\n"
	  "  socast -u UDP4-RECV:5000 OPEN:messages,creat,append,newline\n"
	  "  socast -u OPEN:log,ignoreeof,seek-end=0 -\n"
	  "A folder, with tar on both sides:\n"
	  "  socast -u TCP-LISTEN:9000,reuseaddr EXEC:'tar x'\n"
	  "  socast -u EXEC:'tar c folder' TCP:192.168.10.2:9000\n"
	  "--progress shows how far a transfer is.\n" },
	{ "syslog rsyslog logger", "messages of syslog to a file, to TCP, to here",
	  "They have no newline, which option newline adds. To log to syslog: --help logging.\n"
	  "  socast -u UDP4-RECV:514 OPEN:messages,creat,append,newline\n"
	  "  socast -t 0 'UDP4-RECV:514!!/dev/null' TCP:192.168.10.2:514,fork,max-children=1,forever,newline\n"
	  "  socast -u UNIX-RECV:/tmp/log,unlink-early UDP4-SENDTO:192.168.10.2:514\n" },
	{ "unix unix-socket unix-sockets local docker docker-socket", "UNIX sockets",
	  "  socast - UNIX-CONNECT:/run/app.sock\n"
	  "  socast UNIX-LISTEN:/tmp/s,fork,mode=600,unlink-early TCP:192.168.10.2:80\n"
	  "  socast -u UNIX-RECV:/tmp/log -\n"
	  "A UNIX socket (docker's, for example) as a TCP port of this host:\n"
	  "  socast TCP-LISTEN:2375,fork,reuseaddr,bind=127.0.0.1 UNIX-CONNECT:/var/run/docker.sock\n"
	  "ABSTRACT types take names that are no files.\n" },
	{ "timeouts timeout time idle inactivity", "how long is waited for what",
	  "  -t SECONDS           for the other direction, after the first end of file (0.5)\n"
	  "  -T SECONDS           until an inactive session ends (never)\n"
	  "  connect-timeout      for one connection attempt (the kernel's)\n"
	  "  accept-timeout       for the first who comes (for ever)\n"
	  "  session-timeout      until a silent UDP peer is forgotten (600)\n"
	  "  handshake-timeout    for TLS (30); proxy-timeout for proxies (30)\n"
	  "  close-timeout        for a peer that takes nothing more at the end (5)\n"
	  "  retry, forever, interval   attempts to open, and the pause between them (1)\n"
	  "  --drain SECONDS      for sessions after SIGTERM (0)\n"
	  "9999999999 is as good as for ever. A minute without data ends a session:\n"
	  "  socast -T 60 TCP-LISTEN:8080,fork,reuseaddr TCP:192.168.10.2:80\n" },
	{ "reconnect retry keep-alive", "connections that come back",
	  "retry=N and forever try to connect again; with fork,max-children=1 a new connection follows the last\n"
	  "one, while the other address stays; -t 0 sends nothing more into one that has ended:\n"
	  "  socast -t 0 PTY,link=/tmp/dev,raw,echo=0 TCP:192.168.10.2:7000,forever,fork,max-children=1,interval=2\n"
	  "With reopen the session stays, and what is to be written waits, while a connection, a device or a\n"
	  "program comes and goes:\n"
	  "  socast -u UDP4-RECV:5000 TCP:192.168.10.2:7000,reopen=0.5\n" },
	{ "limits limit many rate max-clients max-connections clients connections", "how many at once",
	  "max-children=N sessions of a listener, others wait; max-sessions=N peers of UDP-LISTEN, the longest\n"
	  "silent one goes.\n"
	  "  socast TCP-LISTEN:7000,fork,reuseaddr,max-children=50 TCP:127.0.0.1:80\n" },
	{ "security access who firewall allow drop-privileges privileges root user run-as nobody", "who gets in",
	  "  socast TCP-LISTEN:7000,fork,reuseaddr,range=192.168.10.0/24 TCP:127.0.0.1:80\n"
	  "  socast TCP-LISTEN:7000,fork,reuseaddr,su=nobody EXEC:./answer.sh\n"
	  "  socast TLS-LISTEN:4433,fork,cert=server.pem,cafile=clients.crt PIPE\n"
	  "su is who a program runs as (user and group: whose a file or UNIX socket is).\n"
	  "bind=127.0.0.1 keeps a port to this host; tcpwrap asks hosts.allow; seal= is for datagrams.\n" },
	{ "logging log debug debugging hexdump dump sniff trace record recording capture monitor traffic journald journal", "see what happens",
	  "  socast -d -d TCP-LISTEN:7000,fork,reuseaddr PIPE\n"
	  "  socast -v TCP-LISTEN:7000,reuseaddr TCP:127.0.0.1:80\n"
	  "  socast -x -r sent -R received - TCP:127.0.0.1:80\n"
	  "-r and -R record each direction in a file, as it is. A service that logs to syslog as \"web\":\n"
	  "  socast -d -d -ly -lp web TCP-LISTEN:8080,fork,reuseaddr TCP:127.0.0.1:80\n"
	  "-lf FILE and -ly log elsewhere, --log json makes objects. --explain says what a line would do,\n"
	  "and takes it whole, too (socast --explain socast -u ...):\n"
	  "  socast --explain TCP-LISTEN:7000,fork TCP:127.0.0.1:80\n" },
	{ "metrics statistics stats counters numbers prometheus grafana sigusr1 signal signals", "numbers",
	  "SIGUSR1 prints them at any time; SIGTERM ends, and with --drain SECONDS lets sessions finish.\n"
	  "  socast --statistics -u OPEN:in,rdonly TCP:192.168.10.2:9000\n"
	  "  socast --metrics 9100 UDP4-LISTEN:5000,fork PIPE\n" },
	{ "service systemd daemon boot socket-activation activation", "run it as a service",
	  "Put SOCAST=\"TCP-LISTEN:7000,fork,reuseaddr TCP:127.0.0.1:80\" into /etc/socast/NAME.conf, then\n"
	  "systemctl enable --now socast@NAME. Quote words with blanks: SOCAST=\"- 'EXEC:ls -l'\". Low ports, files\n"
	  "to write and serial lines need a drop-in (systemctl edit socast@NAME):\n"
	  "  AmbientCapabilities=CAP_NET_BIND_SERVICE and CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
	  "  ReadWritePaths=/srv/data\n"
	  "  DeviceAllow=/dev/ttyS0 rw and SupplementaryGroups=dialout\n"
	  "Socket activation hands over a listening socket:\n"
	  "  socast ACCEPT-FD:3,fork TCP:127.0.0.1:80\n" },
};

/* An address of each type in use. */
static const struct {
	const char *type, *line;
} examples[] = {
	{ "STDIO", "socast - TCP:192.168.10.2:80" },
	{ "STDIN", "socast -u STDIN TCP:192.168.10.2:9000" },
	{ "STDOUT", "socast -u TCP-LISTEN:9000,reuseaddr STDOUT" },
	{ "STDERR", "socast -u UDP4-RECV:5000 STDERR" },
	{ "FD", "socast -u FD:0 TCP:192.168.10.2:9000" },
	{ "OPEN", "socast -u OPEN:in,rdonly TCP:192.168.10.2:9000" },
	{ "CREATE", "socast -u TCP-LISTEN:9000,reuseaddr CREATE:out" },
	{ "GOPEN", "socast - GOPEN:/run/app.sock" },
	{ "PIPE", "socast TCP-LISTEN:7,fork,reuseaddr PIPE" },
	{ "SOCKETPAIR", "socast - SOCKETPAIR" },
	{ "TEXT", "socast -u TEXT:hello UDP4-SENDTO:192.168.10.2:5000" },
	{ "STALL", "socast TCP-LISTEN:7000,fork,reuseaddr STALL" },
	{ "EXEC", "socast TCP-LISTEN:7000,fork,reuseaddr EXEC:./answer.sh" },
	{ "SYSTEM", "socast -u SYSTEM:'date; uptime' -" },
	{ "SHELL", "socast TCP-LISTEN:7000,reuseaddr,bind=127.0.0.1 SHELL,pty,stderr,setsid,ctty" },
	{ "TCP-CONNECT", "socast - TCP:192.168.10.2:80,connect-timeout=3" },
	{ "TCP4-CONNECT", "socast - TCP4:192.168.10.2:80" },
	{ "TCP6-CONNECT", "socast - TCP6:[::1]:80" },
	{ "TCP-LISTEN", "socast TCP-LISTEN:8080,fork,reuseaddr TCP:192.168.10.2:80" },
	{ "TCP4-LISTEN", "socast TCP4-LISTEN:8080,fork,reuseaddr,range=192.168.10.0/24 TCP4:127.0.0.1:80" },
	{ "TCP6-LISTEN", "socast TCP6-LISTEN:8080,fork,reuseaddr,ipv6only TCP4:127.0.0.1:80" },
	{ "UDP-CONNECT", "socast - UDP:192.168.10.2:53" },
	{ "UDP4-LISTEN", "socast UDP4-LISTEN:5353,fork UDP4:192.168.10.2:53" },
	{ "UDP-LISTEN", "socast UDP-LISTEN:5353,fork UDP:192.168.10.2:53" },
	{ "UDP4-RECV", "socast -u UDP4-RECV:5000 -" },
	{ "UDP4-RECVFROM", "socast UDP4-RECVFROM:5000,fork EXEC:hostname" },
	{ "UDP4-SENDTO", "socast -t 5 - UDP4-SENDTO:192.168.10.2:5000" },
	{ "UDP4-DATAGRAM", "socast - UDP4-DATAGRAM:224.1.0.1:6666,range=192.168.10.0/24" },
	{ "MCAST", "socast -u MCAST:239.1.2.3:5000 -" },
	{ "BCAST", "socast - BCAST:7777" },
	{ "OPENSSL", "socast - TLS:www.example.org:443" },
	{ "OPENSSL-LISTEN", "socast TLS-LISTEN:4433,fork,reuseaddr,cert=server.pem,verify=0 TCP:127.0.0.1:80" },
	{ "UNIX-CONNECT", "socast - UNIX-CONNECT:/run/app.sock" },
	{ "UNIX-LISTEN", "socast UNIX-LISTEN:/tmp/s,fork,mode=600 TCP:192.168.10.2:80" },
	{ "UNIX-RECV", "socast -u UNIX-RECV:/tmp/log -" },
	{ "UNIX-SENDTO", "socast -u - UNIX-SENDTO:/dev/log" },
	{ "ABSTRACT-LISTEN", "socast ABSTRACT-LISTEN:name,fork PIPE" },
	{ "PTY", "socast PTY,link=/tmp/ttyV0,raw,echo=0 TCP:192.168.10.2:7000" },
	{ "READLINE", "socast READLINE,history=/tmp/history TCP:192.168.10.2:7000" },
	{ "PROXY", "socast - PROXY:proxy.example.org:192.168.10.2:22,proxyport=3128" },
	{ "SOCKS4", "socast - SOCKS4:127.0.0.1:192.168.10.2:80,socksport=1080" },
	{ "SOCKS5-CONNECT", "socast - SOCKS5:127.0.0.1:1080:www.example.org:80" },
	{ "TUN", "socast TCP-LISTEN:11443,reuseaddr TUN:10.99.0.1/24,up" },
	{ "INTERFACE", "socast -u INTERFACE:eth0 PIPE" },
	{ "POSIXMQ-READ", "socast -u POSIXMQ-READ:/queue -" },
	{ "POSIXMQ-SEND", "socast -u - POSIXMQ-SEND:/queue" },
	{ "VSOCK-CONNECT", "socast - VSOCK-CONNECT:2:7000" },
	{ "ACCEPT-FD", "socast ACCEPT-FD:3,fork PIPE" },
};
/* clang-format on */

const struct help_topic *help_topic(unsigned i)
{
	return i < ARRAY_SIZE(topics) ? &topics[i] : NULL;
}

const char *help_example(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(examples); i++) {
		if (strcasecmp(examples[i].type, type) == 0)
			return examples[i].line;
	}
	return NULL;
}
