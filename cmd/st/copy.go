package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"st/format"
	"st/runtime/models"
)

func (a *app) copyCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "cp MODEL DESTINATION",
		Aliases: []string{"copy"},
		Short:   "Keep a model under another name, or bring files in and out",
		Long: `Copy a model. MODEL is a name or a file, and so is DESTINATION: what ends in .stm, or begins with a separator or a dot, is a file.

A model that is kept gets a second name without taking room, where the file system allows that. Files are copied, and appear when they are complete.`,
		Example: `  st cp Tiiny/SmallThinker-4BA0.6B-Instruct small
  st cp ./converted.stm mine/model:q4_0
  st cp small /media/stick/small.stm`,
		Args: arguments("MODEL", "DESTINATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := a.locate(args[0])
			if err != nil {
				return err
			}
			// What is no model is not kept as one.
			r, err := format.Open(from)
			if err != nil {
				return err
			}
			r.Close()
			p := a.newProgress("copy", "B")
			defer p.finish()
			opts := models.CopyOptions{Replace: force, Progress: p.update}
			to := args[1]
			if models.IsPath(to) {
				err = models.CopyFile(cmd.Context(), from, to, opts)
			} else {
				to, err = a.copyToStore(cmd, from, to, opts)
			}
			if err != nil {
				return err
			}
			p.finish()
			fmt.Fprintf(a.stdout, "copied %s to %s\n", args[0], to)
			return nil
		},
	}
	addForceFlag(cmd.Flags(), &force)
	return completesModels(cmd, 2)
}

// copyToStore keeps a file under a name, which is returned as it is written.
func (a *app) copyToStore(cmd *cobra.Command, from, to string, opts models.CopyOptions) (string, error) {
	name, err := models.ParseName(to)
	if err != nil {
		return "", usagef("%v", err)
	}
	store, err := models.Open("")
	if err != nil {
		return "", err
	}
	_, err = store.Copy(cmd.Context(), from, name, opts)
	return name.String(), err
}
