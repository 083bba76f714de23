package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
)

const usage = `usage: pictures timeline [-title TEXT] [-token N] -o FILE.svg TIMELINE.json
       pictures curves [-q4 KL] -o FILE.svg FOLDER`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	out := flags.String("o", "", "the SVG `file` to write")
	title := flags.String("title", "", "`text` above a time line")
	token := flags.Int("token", 0, "draw the `N`th token of the file; 0: the one of median length")
	q4 := flags.Float64("q4", 0, "the divergence that Q4_0 costs, to mark it")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() != 1 || *out == "" {
		return errors.New(usage)
	}
	var picture string
	var err error
	switch args[0] {
	case "timeline":
		picture, err = drawTimeline(flags.Arg(0), *title, *token)
	case "curves":
		picture, err = drawCurves(flags.Arg(0), *q4)
	default:
		err = errors.New(usage)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(*out, []byte(picture), 0o644)
}
