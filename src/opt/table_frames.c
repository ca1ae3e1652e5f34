/* table_frames.c - options of frames: datagrams in a stream */
#include "base/list.h"
#include "opt/setters.h"
#include "opt/tables.h"

/* The name of the row is that of the format. */
static int conf_format(struct target *t, const struct opt *o, struct err *err)
{
	if (t->conf->frames.format)
		return err_set(err, 0, "frames are %s or %s, not both", t->conf->frames.format,
			       o->row->names);
	t->conf->frames.format = o->row->names;
	t->conf->frames.size = o->row->type == V_STRING ? o->val.str : NULL;
	return 0;
}

/* clang-format off */
#define FORMAT(NAME, TYPE, HELP) \
	{ NAME, TYPE, G_FRAMES, PH_SPECIFIC, conf_format, NULL, .flags = OPT_NEW, .help = HELP }

static const struct opt_row rows[] = {
	{ "frames", V_STRING, G_FD, PH_SPECIFIC, conf_text, NULL,
	  .arg.field = { offsetof(struct conf, frames.format), 0 }, .flags = OPT_NEW,
	  .help = "keep the borders of datagrams in this stream: u16, u32, varint, line, nul, slip, "
		  "cobs, netstring, fixed=N" },
	{ "frames-max", V_SIZE, G_FD | G_FRAMES, PH_SPECIFIC, conf_num, NULL,
	  .arg.field = { offsetof(struct conf, frames.max), 0 }, .flags = OPT_NEW,
	  .help = "bytes of the longest datagram in frames (65535)" },
	FORMAT("u16", V_CONST, "frames: two bytes of length, big endian, in front"),
	FORMAT("u32", V_CONST, "frames: four bytes of length, big endian, in front"),
	FORMAT("varint", V_CONST, "frames: the length in front as LEB128"),
	FORMAT("line", V_CONST, "frames: a newline behind each, and a CR in front of that is none of it"),
	FORMAT("nul", V_CONST, "frames: a NUL behind each"),
	FORMAT("slip", V_CONST, "frames: as RFC 1055 has it, for serial lines"),
	FORMAT("cobs", V_CONST, "frames: COBS, for serial lines: a zero behind each, and none within"),
	FORMAT("netstring", V_CONST, "frames: 5:hello,"),
	FORMAT("fixed", V_STRING, "frames: so many bytes each"),
};
/* clang-format on */

const struct opt_table table_frames = { rows, ARRAY_SIZE(rows) };
