/* phase.c - the moments at which options act: their names, and what they mean */
#include "opt/opt.h"

static const char *const phase_names[PH_COUNT] = {
	"NONE",      "OFFSET",    "INIT",   "EARLY",      "PREOPEN", "OPEN",
	"PASTOPEN",  "PRESOCKET", "SOCKET", "PASTSOCKET", "BIGEN",   "PASTBIGEN",
	"FD",        "PREBIND",   "BIND",   "LISTEN",     "ACCEPT",  "PASTACCEPT",
	"CONNECTED", "PASTFORK",  "LATE",   "LATE2",      "PREEXEC", "SPECIFIC",
};

static const char *const moment[PH_COUNT] = {
	[PH_OFFSET] = "remembered from the start",
	[PH_INIT] = "before anything else",
	[PH_EARLY] = "before it is opened",
	[PH_PREOPEN] = "just before the entry is opened or made",
	[PH_OPEN] = "when the entry is opened or made",
	[PH_PASTOPEN] = "just after the entry has been opened or made",
	[PH_PRESOCKET] = "before the socket is made",
	[PH_SOCKET] = "when the socket is made",
	[PH_PASTSOCKET] = "just after the socket has been made",
	[PH_BIGEN] = "when the channel is made",
	[PH_PASTBIGEN] = "just after the channel has been made",
	[PH_FD] = "when there is a descriptor",
	[PH_PREBIND] = "before the socket is bound",
	[PH_BIND] = "when the socket is bound",
	[PH_LISTEN] = "when the socket begins to listen",
	[PH_ACCEPT] = "when somebody is accepted",
	[PH_PASTACCEPT] = "for everybody who has been accepted",
	[PH_CONNECTED] = "when it is connected",
	[PH_PASTFORK] = "in the new process",
	[PH_LATE] = "at the end of opening",
	[PH_LATE2] = "at the very end of opening",
	[PH_PREEXEC] = "before the program is called",
	[PH_SPECIFIC] = "where the address needs it",
};

const char *phase_name(enum phase ph)
{
	return (unsigned)ph < PH_COUNT ? phase_names[ph] : "?";
}

const char *phase_moment(enum phase ph)
{
	return (unsigned)ph < PH_COUNT && moment[ph] ? moment[ph] : "then";
}
