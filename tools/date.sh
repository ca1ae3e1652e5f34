#!/bin/sh
# date.sh - the date that -V tells: now, or that of the source where builds are to be reproducible
exec env LC_ALL=C date -u ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"} '+%b %d %Y %H:%M:%S'
