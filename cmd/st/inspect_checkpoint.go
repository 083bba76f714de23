package main

import (
	"fmt"
	"slices"

	"st/cmd/internal/report"
	"st/cmd/internal/tables"
	"st/convert"
)

// inspectCheckpoint is st inspect for weights that are in no .stm file.
func (a *app) inspectCheckpoint(path string, f inspectFlags) error {
	found, notes, err := convert.Locate(path)
	if err != nil {
		return convert.Diagnose(path, err)
	}
	r, err := report.OpenCheckpoint(found)
	if err != nil {
		return convert.Diagnose(path, err)
	}
	for _, n := range notes {
		a.note("note: %s", n)
	}
	if f.experts || f.verify || f.cachePlan || f.trace != "" || f.html != "" {
		return usagef("%s is no .stm file: --experts, --verify, --cache-plan, --trace and --html need one, which st convert makes of a checkpoint", path)
	}
	if layers := r.Layers(); f.layer >= 0 && len(layers) == 0 {
		return fmt.Errorf("--layer %d: no tensor of %s belongs to a layer", f.layer, path)
	} else if f.layer >= 0 && !slices.Contains(layers, f.layer) {
		return fmt.Errorf("--layer %d: %s has layers %d to %d", f.layer, path, layers[0], layers[len(layers)-1])
	}
	if f.tensors {
		r.Tensors = r.TensorsOf(f.layer)
	}
	switch {
	case f.json:
		return a.printJSON(r)
	case f.tensors:
		tables.CheckpointTensors(a.stdout, a.screen(), r.Tensors)
	case !f.layers:
		tables.Checkpoint(a.stdout, a.screen(), r)
	}
	if f.layers {
		tables.CheckpointLayers(a.stdout, a.screen(), r, f.layer)
	}
	return nil
}
