# socast.bash - completion for bash
#
# An address is one word for the shell and a little language for socast. The word is taken apart
# here: "!!" between two halves, layers with "+" before what they stand on, "," before options, ":"
# before parameters, "=" before a value. Brackets of layers are round between quotes, else square,
# which bash leaves alone. bash itself divides words at ":" and "=" as well, so candidates are cut to the part it replaces,
# which it passes as second argument. The lists come from the tables of the program.

_socast_type() # NAME in upper case: what its parameters are, which sets of options it takes
{
	case $1 in
@TYPES@
	esac
}

_socast_layer() # NAME in upper case: if it is a layer, and which sets of options it takes
{
	case $1 in
@LAYERSETS@
	esac
}

_socast_set() # NUMBER: the options in it
{
	case $1 in
@SETS@
	esac
}

_socast_value() # OPTION in lower case: what its value is
{
	case $1 in
@VALUES@
	esac
}

_socast_file_flag() # FLAG: is the next word a file?
{
	case $1 in
@FILEFLAGS@
	esac
}

_socast_flags()
{
@FLAGS@
}

_socast_names()
{
@NAMES@
@LAYERS@
}

_socast_words() # LINE: its last word and the one before it, without quotes; a quote still open
{
	local line=$1 c

	word= before= quote=
	while [[ $line ]]; do
		c=${line:0:1} line=${line:1}
		if [[ $c == "$quote" ]]; then
			quote=
		elif [[ $quote ]]; then
			word+=$c
		elif [[ $c == [\'\"] ]]; then
			quote=$c
		elif [[ $c == \\ ]]; then
			word+=${line:0:1} line=${line:1}
		elif [[ $c != [[:space:]] ]]; then
			word+=$c
		elif [[ $word ]]; then
			before=$word word=
		fi
	done
}

_socast_keyword() # HALF: the type it means
{
	keyword=${1%%[:,]*}
	case $keyword in
	*/*) keyword=GOPEN ;;
	[0-9]*) keyword=FD ;;
	esac
	keyword=${keyword^^}
}

_socast_offer() # which of names begin with rest; if none does, which of aliases
{
	local name typed=$rest

	for name in "${names[@]}"; do
		[[ $typed == *[[:lower:]]* ]] && name=${name,,}
		[[ $name == "$typed"* ]] && found+=("$name")
	done
	if [[ ${#found[@]} == 0 && ${#synonyms[@]} != 0 ]]; then
		names=("${synonyms[@]}") synonyms=()
		_socast_offer
	fi
}

_socast_offer_layers() # besides them
{
	local bracket='['

	[[ $quote ]] && bracket='('
	names=("${layers[@]/%/+}" "${layers[@]/%/$bracket}") synonyms=()
	_socast_offer
}

_socast_close() # takes off rest what stands in the brackets that are open, if they are closed
{
	local text=$rest depth=1

	while [[ $text ]]; do
		case ${text:0:1} in
		[\(\[\{]) ((++depth)) ;;
		[\)\]\}]) ((--depth)) ;;
		esac
		text=${text:1}
		if ((depth == 0)); then
			rest=$text
			return 0
		fi
	done
	return 1
}

_socast_stack() # takes layers off rest: their sets go to above; brackets behind the last are inside
{
	local shape='^([[:alnum:]_-]+)([[(+].*)$'

	while [[ $rest =~ $shape ]]; do
		kinds=() sets=()
		_socast_layer "${BASH_REMATCH[1]^^}"
		[[ ${#kinds[@]} == 0 ]] && return
		rest=${BASH_REMATCH[2]}
		if [[ $rest != +* ]]; then
			inside=open rest=${rest:1}
			_socast_close || return
			inside=closed
		fi
		[[ $rest == +* ]] || return
		inside= rest=${rest:1} above+=("${sets[@]}") kinds=() sets=()
	done
}

_socast_files()
{
	local name home=$rest

	[[ $home == '~'* ]] && home=${HOME}${rest:1}
	while IFS= read -r name; do
		[[ -d $name ]] && name+=/
		[[ $quote || $name != *[[:space:]\'\"\\\$\&\;\|\<\>\(\)\`\*\?]* ]] || printf -v name %q "$name"
		found+=("$name")
	done < <(compgen -f -- "$home")
}

_socast_compgen() # FLAG...: what bash knows
{
	mapfile -t found < <(compgen "$@" -- "$rest")
}

_socast_interfaces()
{
	local path

	rest=${rest##*+}
	for path in /sys/class/net/"$rest"*; do
		[[ -e $path && -d $path ]] && found+=("${path##*/}")
	done
}

_socast_things() # KIND: what there is of it
{
	case $1 in
	file) _socast_files ;;
	interface) _socast_interfaces ;;
	host) _socast_compgen -A hostname ;;
	user) _socast_compgen -u ;;
	group) _socast_compgen -g ;;
	command)
		if [[ $rest == *' '* ]]; then
			rest=${rest##* }
			_socast_files
		else
			_socast_compgen -c
		fi
		;;
	member)
		if [[ $rest == *:* ]]; then
			rest=${rest##*:}
			_socast_interfaces
		fi
		;;
	esac
}

_socast_options() # behind a comma, of these sets
{
	local all=() more=() set

	rest=${rest##*,}
	if [[ $rest == *=* ]]; then
		kinds=()
		set=${rest%%=*}
		_socast_value "${set,,}"
		rest=${rest#*=}
		_socast_things "${kinds[0]}"
		return
	fi
	for set in "${sets[@]}"; do
		_socast_set "$set"
		all+=("${names[@]}") more+=("${synonyms[@]}")
	done
	names=("${all[@]}") synonyms=("${more[@]}")
	_socast_offer
}

_socast_parameters() # behind a colon
{
	local i=0 kind=

	while [[ $rest == *:* ]] && ((i < ${#kinds[@]})); do
		rest=${rest#*:} kind=${kinds[i++]}
	done
	_socast_things "$kind"
}

_socast_address() # what may follow in rest
{
	_socast_stack
	if [[ $inside ]]; then
		[[ $inside == open ]] && _socast_options
		[[ $inside == closed && ! $rest ]] && found=(+)
		return
	fi
	_socast_keyword "$rest"
	_socast_type "$keyword"
	sets+=("${above[@]}")
	if [[ $rest == *,* ]]; then
		_socast_options
	elif [[ $rest == *:* ]]; then
		_socast_parameters
	elif [[ $rest == */* ]]; then
		_socast_files
	elif [[ $rest == -* ]]; then
		_socast_flags
		_socast_offer
	else
		_socast_names
		_socast_offer
		[[ $word == *!!* ]] || _socast_offer_layers
	fi
}

_socast()
{
	local word before quote rest i keyword kinds=() sets=() names=() synonyms=() found=()
	local layers=() above=() inside=

	_socast_words "${COMP_LINE:0:COMP_POINT}"
	_socast_file_flag "$before"
	rest=${word##*!!}
	if [[ ${#kinds[@]} != 0 ]]; then
		_socast_files
	else
		_socast_address
	fi
	# bash closes an open quote behind an only candidate: too early where more must follow
	if [[ $quote && ${#found[@]} == 1 && ($inside || ${found[0]} == *[:=/+\(]) ]]; then
		found+=("${found[0]}…")
	fi
	# what stands before rest stays; bash replaces only its own last word, $2
	local keep=${word%"$rest"} skip=${word%"$2"}
	COMPREPLY=()
	for i in "${found[@]}"; do
		COMPREPLY+=("${keep:${#skip}}$i")
	done
}

complete -o nospace -F _socast socast
