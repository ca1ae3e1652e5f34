# filan.bash - completion for bash of filan and procan: the flags that their help lists
_socast_companion()
{
	mapfile -t COMPREPLY < <(compgen -W "$("$1" -h 2>/dev/null | sed -n 's/^ *\(-[A-Za-z]\).*/\1/p')" -- "$2")
}
complete -o default -F _socast_companion filan procan
