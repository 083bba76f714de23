package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"st/runtime/models"
)

func (a *app) removeCommand() *cobra.Command {
	var sessions bool
	cmd := &cobra.Command{
		Use:     "rm NAME...",
		Aliases: []string{"remove", "delete"},
		Short:   "Remove models, or sessions, that are kept by name",
		Long: `Remove models from where they are kept, and what is left of their downloads. There is no question. Files elsewhere are never removed: rm does
that. A model that runs goes on; Windows refuses to remove its file.

With --session the names are those of conversations that st run --session keeps, in full (st list --sessions). One that another process
goes on with is not removed.`,
		Example: `  st rm Tiiny/SmallThinker-4BA0.6B-Instruct
  st rm smallthinker-4ba0.6b-instruct:q8_0 tiny
  st rm --session work`,
		Args: atLeastOne("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if sessions {
				return a.removeSessions(args)
			}
			store, err := models.Open("")
			if err != nil {
				return err
			}
			found, failed := resolveAll(store, args)
			for _, name := range found {
				e, err := store.Remove(name)
				if err != nil {
					failed = alsoFailed(failed, err)
					continue
				}
				fmt.Fprintf(a.stdout, "deleted %s\n", e.Name)
			}
			return failed
		},
	}
	cmd.Flags().BoolVar(&sessions, "session", false, "remove sessions of these names, not models")
	completesNames(cmd, -1)
	ofModels := cmd.ValidArgsFunction
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if sessions {
			return completeSessions(cmd, args, typed)
		}
		return ofModels(cmd, args, typed)
	}
	return cmd
}

// resolveAll returns the full names of the models that arguments mean, each once. All are found before the first is removed: what a short name
// means may depend on which others there are.
func resolveAll(store *models.Store, args []string) (found []string, failed error) {
	all, err := store.List()
	if err != nil {
		return nil, err
	}
	names := models.Names(all)
	for _, arg := range args {
		i, err := models.Match(arg, names)
		if err != nil {
			failed = alsoFailed(failed, err)
		} else if name := names[i].String(); !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found, failed
}

// alsoFailed adds an error to those before it.
func alsoFailed(before, err error) error {
	if before == nil {
		return err
	}
	return fmt.Errorf("%w; %w", before, err)
}

// atLeastOne accepts any number of arguments but none.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("argument %s is missing", name)
		}
		return anyNumber(name)(cmd, args)
	}
}

// anyNumber accepts any number of arguments that are not empty.
func anyNumber(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if slices.Contains(args, "") {
			return fmt.Errorf("argument %s is empty", name)
		}
		return nil
	}
}
