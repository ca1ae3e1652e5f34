/* list.h - intrusive doubly linked list, and two macros everybody needs
 *
 * A list head is a node that points to itself; nodes are embedded in the objects they link, so
 * linking allocates nothing and an object can leave a list without knowing which one it is in. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

struct list {
	struct list *prev, *next;
};

/* Make @l an empty head, or a node that is in no list. */
static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

/* True for an empty head and for a node that is in no list. */
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Put the unlinked @node in front of all in @head. */
static inline void list_add(struct list *head, struct list *node)
{
	node->prev = head;
	node->next = head->next;
	head->next->prev = node;
	head->next = node;
}

/* Append the unlinked @node at the end of @head. */
static inline void list_add_tail(struct list *head, struct list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/* Take @node out of whatever list it is in; harmless when it is in none. */
static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* Make @to the head of all that is linked in @from, which is empty then. */
static inline void list_take_all(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#define list_for_each(pos, head)                                                                   \
	for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
#define list_for_each_safe(pos, tmp, head)                                                         \
	for (struct list *pos = (head)->next, *tmp = pos->next; pos != (head);                     \
	     pos = tmp, tmp = pos->next)

#endif
