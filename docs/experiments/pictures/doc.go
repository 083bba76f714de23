// Pictures draws the pictures of docs/memory-why.md and docs/prefer-cached.md from what st measures, as SVG that is readable on light and on dark pages.
//
// One token's time line, from the file that st bench --timeline writes:
//
//	st bench 4b.stm --memory 1GiB --prompt 32 --gen 60 --repeat 1 --timeline token.json --timeline-tokens 40
//	go run ./pictures timeline -title "4B shape in 1 GiB" -o ../pictures/timeline.svg token.json
//
// What other experts than the router's cost and bring, from the JSON of st eval and st bench in a folder, as medians of several runs. The eval files are
// of a model whose quality means something, the bench files of one whose speed is asked for:
//
//	st convert ../../testdata/tiny-smallthinker --type q8_0 -o tiny-q8_0.stm
//	head -c 12000 ../../testdata/tiny-smallthinker/heldout.txt > heldout.txt
//	st eval tiny-q8_0.stm --text heldout.txt --ctx 256 --save-logits base.logits
//	for i in 1 2 3; do for s in 0 0.1 0.15 0.2 0.25 0.4; do
//	    st eval tiny-q8_0.stm --base base.logits --decode --prefer-cached $s --memory 55MiB --json > data/eval-$s-$i.json
//	    st bench 4b.stm --memory 1GiB --prompt 32 --gen 64 --repeat 1 --prefer-cached $s --json > data/bench-$s-$i.json
//	done; done
//	go run ./pictures curves -q4 0.0099 -o ../pictures/prefer-cached.svg data
package main
