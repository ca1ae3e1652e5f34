/* explain.c - what a line will do, in plain sentences; see explain.h */
#include "explain/explain.h"

#include "explain/parts.h"

/* Texts of the command line may hold anything: no control characters on a terminal. */
static void put_clean(FILE *out, const struct str *text)
{
	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->data[i];

		fputc((c < ' ' && c != '\n') || c == 0x7f ? '?' : c, out);
	}
}

void explain(FILE *out, const struct plan *plan, const char *lock, bool waits)
{
	struct str text = { 0 };

	str_adds(&text, "What this line would do. Nothing has been opened.\n\n");
	if (lock)
		str_addf(&text, "First the lock file %s is made; if somebody else has it, %s.\n\n",
			 lock, waits ? "the program waits" : "the program ends");
	for (int i = 0; i < (int)plan->nsides; i++)
		explain_address(&text, plan, i);
	explain_between(&text, plan);
	str_addc(&text, '\n');
	explain_privileges(&text, plan);
	put_clean(out, &text);
	str_done(&text);
}
