# socat.bash - completion for bash under the name of classic
. "${BASH_SOURCE%/*}/socast.bash"
complete -o nospace -F _socast socat
