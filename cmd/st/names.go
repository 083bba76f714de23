package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"st/cmd/internal/report"
	"st/format"
	"st/runtime/models"
)

// locate returns the file that an argument of a command means, which is a path or the name of a model that is kept: see [models.Store.Locate].
func (a *app) locate(arg string) (string, error) {
	if models.IsPath(arg) {
		return arg, nil
	}
	store, err := models.Open("")
	if err != nil {
		return "", err
	}
	return store.Locate(arg)
}

// locateAny is locate for commands that take a directory, too: one that exists is meant.
func (a *app) locateAny(arg string) (string, error) {
	if _, err := os.Stat(arg); err == nil {
		return arg, nil
	}
	return a.locate(arg)
}

// addNameFlag adds the flag that keeps an output under a name.
func addNameFlag(flags *pflag.FlagSet, name *string) {
	flags.StringVar(name, "name", "", "keep the model under `NAME`, where st list shows it, instead of in a file")
}

// outputFor returns the file that is to be written: output, or that of a model which is kept under a name. It is "" if neither is given.
func outputFor(output, name string) (string, error) {
	switch {
	case output == "-":
		return "", usagef("a model is not written to standard output: name a file")
	case name == "":
		return output, nil
	case output != "":
		return "", usagef("the output is named twice: %s and --name %s", output, name)
	}
	n, err := models.ParseName(name)
	if err != nil {
		return "", usagef("--name: %v", err)
	}
	store, err := models.Open("")
	if err != nil {
		return "", err
	}
	return store.Path(n)
}

// tidy removes the directory in which a model was to be kept, if a command failed before it wrote anything there.
func tidy(path string, err error) {
	if store, e := models.Open(""); err != nil && e == nil {
		store.Tidy(path)
	}
}

// noteKept tells what to do with the model that was made in a file, if it is kept under a name; "": it is not. One without a tokenizer cannot be run.
func (a *app) noteKept(name, file string) {
	n, err := models.ParseName(name)
	if err != nil {
		return
	}
	next := "run"
	if r, err := format.Open(file); err == nil {
		if len(r.Tokenizer) == 0 {
			next = "inspect"
		}
		r.Close()
	}
	a.note("%s is kept: st %s %s", n, next, n)
}

// completesModels has a shell complete the first n arguments of a command, or all if n is −1, by names of models and by files.
func completesModels(cmd *cobra.Command, n int) *cobra.Command {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if n >= 0 && len(args) >= n {
			return nil, cobra.ShellCompDirectiveDefault // other arguments are texts or files
		}
		found := modelFiles(typed)
		if store, err := models.Open(""); err == nil {
			found = append(store.Complete(typed), found...)
		}
		switch {
		case len(found) == 0:
			return nil, cobra.ShellCompDirectiveDefault
		case len(found) == 1 && strings.HasSuffix(found[0], string(filepath.Separator)):
			return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// completesNames is completesModels for commands that take names only.
func completesNames(cmd *cobra.Command, n int) *cobra.Command {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		store, err := models.Open("")
		if err != nil || n >= 0 && len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return store.Complete(typed), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// modelFiles returns the .stm and .gguf files, and the directories, whose path begins with what was typed.
func modelFiles(typed string) (found []string) {
	dir, prefix := filepath.Split(typed)
	read := dir
	if read == "" {
		read = "."
	}
	entries, err := os.ReadDir(read)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, ".") && prefix == "" {
			continue
		}
		info, err := os.Stat(filepath.Join(read, name))
		switch ext := filepath.Ext(name); {
		case err != nil:
		case info.IsDir():
			found = append(found, dir+name+string(filepath.Separator))
		case ext == ".stm" || ext == ".gguf":
			found = append(found, dir+name)
		}
	}
	return found
}

// onlyModel returns the name of the only model that is kept. If there is none, or more than one, it says what there is, and the error is about the
// argument that is missing.
func (a *app) onlyModel(ctx context.Context) (string, error) {
	_, all, err := keptModels()
	if err != nil {
		return "", err
	}
	all = slices.DeleteFunc(all, func(e models.Entry) bool { return e.Partial })
	switch len(all) {
	case 0:
		p, err := report.ReadPublished(ctx)
		if err != nil {
			return "", err
		}
		if !a.quiet {
			printPublished(a.stderr, p)
		}
		return "", usagef("argument MODEL is missing, and no model is kept yet: name a file or one of these models")
	case 1:
		return all[0].Name.String(), nil
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name.String())
	}
	return "", usagef("argument MODEL is missing: it may be one of %s", strings.Join(names, ", "))
}
