# filan.fish - completion for fish of filan and procan: the flags that their help lists
for name in filan procan
	complete -c $name -a "($name -h | string replace -rf '^ *(-[A-Za-z])\S* +(.*)' '\$1\t\$2')"
end
