# socast.fish - completion for fish
#
# An address is one word for the shell and a little language for socast. The word is taken apart
# here: "!!" between two halves, layers with "+" before what they stand on, "," before options, ":"
# before parameters, "=" before a value. Candidates are whole words, so what is done with stands
# before each. Brackets of layers are round between quotes, else square: round ones mean something
# to fish. The lists come from the tables of the program.

function __socast_type --no-scope-shadowing # NAME in upper case: its parameters and sets of options
	switch $argv[1]
@TYPES@
	end
end

function __socast_layer --no-scope-shadowing # NAME in upper case: if it is a layer; its sets of options
	switch $argv[1]
@LAYERSETS@
	end
end

function __socast_set --no-scope-shadowing # NUMBER: the options in it
	switch $argv[1]
@SETS@
	end
end

function __socast_value --no-scope-shadowing # OPTION in lower case: what its value is
	switch $argv[1]
@VALUES@
	end
end

function __socast_file_flag --no-scope-shadowing # FLAG: is the next word a file?
	switch "$argv[1]"
@FILEFLAGS@
	end
end

function __socast_flags --no-scope-shadowing
@FLAGS@
end

function __socast_names --no-scope-shadowing
@NAMES@
@LAYERS@
end

function __socast_keyword # HALF: the type it means
	set -l keyword (string replace -r '[:,].*' '' -- $argv[1])
	switch $keyword
		case '*/*'
			echo GOPEN
		case '*'
			string replace -r '^[0-9]+$' FD -- (string upper -- $keyword)
	end
end

function __socast_fitting # TYPED NAME...: the names that begin so
	set -l typed (string escape --style=regex -- $argv[1])
	string match -ri -- "^$typed.*" $argv[2..]
end

function __socast_offer --no-scope-shadowing # which names fit; if none does, which aliases
	set -l found (__socast_fitting "$rest" $names)
	or set found (__socast_fitting "$rest" $synonyms)
	printf '%s\n' "$keep"$found
end

function __socast_offer_layers --no-scope-shadowing # besides them
	set names (string replace \t +\t -- $layers) (string replace \t $bracket\t -- $layers)
	set synonyms
	__socast_offer
end

function __socast_interfaces
	for path in /sys/class/net/*
		test -d $path
		and basename $path
	end
end

function __socast_things --no-scope-shadowing # KIND: what there is of it
	set -l found
	switch "$argv[1]"
		case file
			set found (__fish_complete_path $rest)
		case interface
			set keep "$keep"(string replace -r '[^+]*$' '' -- $rest)
			set found (__socast_interfaces)
		case host
			set found (__fish_print_hostnames)
		case user
			set found (__fish_complete_users)
		case group
			set found (__fish_complete_groups)
		case command
			if string match -q '* *' -- $rest
				set keep "$keep"(string replace -r '[^ ]*$' '' -- $rest)
				set found (__fish_complete_path (string replace -r '^.* ' '' -- $rest))
			else
				set found (complete -C "$rest")
			end
		case member
			if string match -q '*:*' -- $rest
				set keep "$keep"(string replace -r '[^:]*$' '' -- $rest)
				set found (__socast_interfaces)
			end
	end
	printf '%s\n' "$keep"$found
end

function __socast_split --no-scope-shadowing # REGEX: moves what it matches from rest to keep
	set keep $keep(string match -r -- "^$argv[1]" $rest)[1]
	set rest (string replace -r -- "^$argv[1]" '' $rest)
end

# Takes layers off: their sets go to above; brackets behind the last are inside.
function __socast_stack --no-scope-shadowing
	while string match -qr -- '^[\w-]+[[(+]' $rest
		set kinds
		set sets
		__socast_layer (string upper -- (string match -r -- '^[\w-]+' $rest))
		set -q kinds[1]
		or return
		__socast_split '[\w-]+'
		if not string match -q -- '+*' $rest
			set inside open
			__socast_split '.'
			string match -qr -- '^([^][()]|[[(](?1)*[])])*[])]' $rest
			or return
			__socast_split '([^][()]|[[(](?1)*[])])*[])]'
			set inside closed
		end
		string match -q -- '+*' $rest
		or return
		__socast_split '[+]'
		set -a above $sets
		set inside
		set kinds
		set sets
	end
end

function __socast_options --no-scope-shadowing # behind a comma, of these sets
	set -l all
	set -l more
	string match -q '*,*' -- $rest
	and __socast_split '.*,'
	if string match -q '*=*' -- $rest
		set kinds
		__socast_value (string lower -- (string replace -r '=.*' '' -- $rest))
		__socast_split '[^=]*='
		__socast_things $kinds[1]
		return
	end
	for number in $sets
		__socast_set $number
		set -a all $names
		set -a more $synonyms
	end
	set names $all
	set synonyms $more
	__socast_offer
end

function __socast_parameters --no-scope-shadowing # behind a colon
	set -l kind
	while string match -q '*:*' -- $rest; and set -q kinds[1]
		__socast_split '[^:]*:'
		set kind $kinds[1]
		set -e kinds[1]
	end
	__socast_things $kind
end

function __socast_complete
	set -l keep ''
	set -l bracket '['
	set -l rest (commandline -ct)
	set -l before (commandline -opc)
	set -l kinds
	set -l sets
	set -l above
	set -l inside
	set -l layers
	set -l names
	set -l synonyms

	if string match -qr '^[\'"]' -- $rest
		set rest (string sub -s 2 -- $rest)
		set bracket '('
	else
		set rest (string replace -ra '\\\\(.)' '$1' -- $rest)
	end
	__socast_file_flag $before[-1]
	if set -q kinds[1]
		__socast_things file
		return
	end
	string match -q '*!!*' -- $rest
	and __socast_split '.*!!'
	__socast_stack
	switch "$inside"
		case open
			__socast_options
			return
		case closed
			test -z "$rest"
			and echo "$keep+"
			return
	end
	__socast_type (__socast_keyword $rest)
	set -a sets $above
	if string match -q '*,*' -- $rest
		__socast_options
	else if string match -q '*:*' -- $rest
		__socast_parameters
	else if string match -q '*/*' -- $rest
		__socast_things file
	else if string match -q -- '-*' $rest
		__socast_flags
		__socast_offer
	else
		__socast_names
		__socast_offer
		string match -q '*!!' -- $keep
		or __socast_offer_layers
	end
end

complete -c socast -f -a '(__socast_complete)'
