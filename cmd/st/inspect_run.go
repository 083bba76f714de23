package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"st/cmd/internal/tables"
	"st/runtime/activity"
)

// inspectActivity is st inspect --run and --compare.
func (a *app) inspectActivity(ctx context.Context, args []string, f *activityFlags, layer int, asJSON bool) error {
	if f.compare {
		return a.inspectCompare(ctx, args[0], args[1], layer, asJSON)
	}
	r, err := a.runActivity(ctx, args[0], f, layer)
	switch {
	case err != nil:
		return err
	case asJSON:
		return a.printJSON(r)
	case layer >= 0:
		i := slices.IndexFunc(r.Layers, func(l activity.LayerReport) bool { return l.Layer == layer })
		tables.ActivityLayer(a.stdout, a.screen(), r, &r.Layers[i])
	default:
		tables.Activity(a.stdout, a.screen(), r)
	}
	return nil
}

// runActivity runs a model over a text. The layer, if it is not −1, must be one of the model's.
func (a *app) runActivity(ctx context.Context, path string, f *activityFlags, layer int) (r *activity.Report, err error) {
	if path, err = a.locate(path); err != nil {
		return nil, err
	}
	text, from, file := f.prompt, "prompt", f.text
	if text == "-" {
		file = "-"
	}
	if file != "" {
		if text, err = a.readText(ctx, file, &f.engine); err != nil {
			return nil, err
		}
		from = inputName(file)
	}
	f.engine.text = len(text)
	f.engine.other = activity.CollectorBytes
	m, err := a.openTextModel(ctx, path, f.engine)
	if err != nil {
		return nil, err
	}
	defer m.close(&err)
	c := m.Config()
	tokens, err := m.Encode(text)
	if err != nil {
		return nil, err
	}
	switch {
	case layer >= c.Layers:
		return nil, fmt.Errorf("--layer %d: %s has layers 0 to %d", layer, path, c.Layers-1)
	case layer >= 0 && !c.HasExperts(layer):
		return nil, fmt.Errorf("--layer %d: this layer of %s has no experts", layer, path)
	case len(tokens) == 0:
		return nil, errors.New("the text is empty: there is nothing to run")
	}
	window := a.windowOf(m, f.window, len(tokens))
	collector, err := activity.NewCollector(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m.Engine().ObserveExperts(collector)
	bar := a.newProgress("run", "tokens")
	err = m.Run(ctx, tokens, window, func(done int) {
		collector.EndSequence()
		bar.update(int64(done), int64(len(tokens)))
	})
	bar.finish()
	if err != nil {
		return nil, err
	}
	if r, err = collector.Report(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Model, r.Text, r.Context = path, from, window
	return r, nil
}

// windowOf returns how many tokens a window of a text has: those that were asked for, or the model's context, and a note, if that is less.
func (a *app) windowOf(m *model, asked, tokens int) int {
	window := min(asked, m.Context())
	if window < asked && tokens > window {
		a.note("note: windows of %d tokens, which is the model's context", window)
	}
	return window
}
