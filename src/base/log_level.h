/* log_level.h - how weighty a record is, and what records look like */
#ifndef BASE_LOG_LEVEL_H
#define BASE_LOG_LEVEL_H

enum log_level { LV_DEBUG, LV_INFO, LV_NOTICE, LV_WARN, LV_ERROR, LV_FATAL };

/* As in classic, as JSON, for people at a terminal: log_form.h. */
enum log_form { LOG_CLASSIC, LOG_JSON, LOG_PEOPLE };

#endif
