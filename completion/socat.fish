# socat.fish - completion for fish under the name of classic
source (status dirname)/socast.fish
complete -c socat -f -a '(__socast_complete)'
