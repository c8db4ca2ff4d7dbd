#!/bin/sh
# Stands in for `sandboxd snapshot`: the same orders and reports over plain copies, and it can be held, broken and told what to say.
dir="${0%/*}"
cat > "$dir/order.$$"
mv "$dir/order.$$" "$dir/order"
work=$(sed 's/.*"work":{"work":"\([a-z]*\)".*/\1/' "$dir/order")
home=$(sed 's/.*"home":"\([^"]*\)".*/\1/' "$dir/order")
began=$(date +%s%3N)
echo "$work $$" >> "$dir/children"
hold() { while [ -e "$dir/hold-$1" ]; do sleep 0.01; done; }
say() { printf '%s\n' "$1"; }
if [ -e "$dir/say-$work" ]; then
    cat "$dir/say-$work"
    exit 0
fi
case "$work" in
save)
    say '{"report":"progress","stage":"reading","files":1,"bytes":2,"total_bytes":null}'
    hold reading
    copy="$dir/copy.$$"
    cp -a "$home" "$copy"
    id=$(cd "$copy" && { find . -printf '%p %y %l\n' | sort; find . -type f -exec sha256sum {} + | sort; } | sha256sum | cut -c1-64)
    if grep -q "\"parent\":\"$id\"" "$dir/order"; then
        rm -rf "$copy"
        say "{\"report\":\"done\",\"outcome\":{\"outcome\":\"unchanged\",\"snapshot\":\"$id\"}}"
        exit 0
    fi
    rm -rf "$dir/repository/$id"
    mkdir -p "$dir/repository"
    mv "$copy" "$dir/repository/$id"
    say '{"report":"progress","stage":"checking","files":1,"bytes":2,"total_bytes":null}'
    hold checking
    say "{\"report\":\"done\",\"outcome\":{\"outcome\":\"saved\",\"manifest\":{\"snapshot\":\"$id\",\"tree\":\"$id\",\"parent\":null,\"takenAt\":$began,\"files\":1,\"folders\":1,\"others\":0,\"bytes\":2,\"addedBytes\":2,\"databases\":0,\"unreadable\":[],\"unreadableCount\":0,\"packs\":[],\"indexes\":[]}}}"
    ;;
restore)
    id=$(sed 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/' "$dir/order")
    say '{"report":"progress","stage":null,"files":0,"bytes":1,"total_bytes":7}'
    if [ -n "$(ls -A "$home")" ]; then
        say '{"report":"failed","error":"the home is not empty","transient":false}'
        exit 0
    fi
    if [ -e "$dir/hold-half" ]; then
        echo half > "$home/half"
        hold half
    fi
    cp -a "$dir/repository/$id/." "$home/"
    say '{"report":"done","outcome":{"outcome":"restored","files":1,"bytes":7}}'
    ;;
*)
    hold upkeep
    say '{"report":"done","outcome":{"outcome":"pruned","removed_bytes":5,"removed_objects":1}}'
    ;;
esac
