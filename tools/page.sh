#!/bin/sh
# page.sh MANUAL STYLE - the manual as one page of HTML, on standard output
set -eu
body=$(mandoc -T html -O fragment,toc "$1" | sed '
	/TABLE OF CONTENTS/,/^<\/ul>/ {
		s,^<h1.*,<nav class="toc">,
		s,^</ul>,</ul></nav>,
	}')
cat <<EOF
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>socast(1)</title>
<style>
$(cat "$2")
</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
EOF
