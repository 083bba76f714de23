package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"st/cmd/internal/tables"
	"st/cmd/internal/textfile"
	"st/runtime/activity"
)

// inspectCompare is st inspect --compare: of two files that --run --json wrote.
func (a *app) inspectCompare(ctx context.Context, pathA, pathB string, layer int, asJSON bool) error {
	c, err := compareFiles(ctx, pathA, pathB)
	if err != nil {
		return err
	}
	switch i := slices.IndexFunc(c.Layers, func(l activity.LayerComparison) bool { return l.Layer == layer }); {
	case asJSON:
		return a.printJSON(c)
	case i >= 0:
		tables.ComparisonLayer(a.stdout, a.screen(), c, &c.Layers[i])
	case layer >= 0:
		return fmt.Errorf("--layer %d: %s tells nothing of it; it has layers %d to %d", layer, pathA, c.Layers[0].Layer, c.Layers[len(c.Layers)-1].Layer)
	default:
		tables.Comparison(a.stdout, a.screen(), c)
	}
	return nil
}

func compareFiles(ctx context.Context, pathA, pathB string) (*activity.Comparison, error) {
	a, err := readActivity(ctx, pathA)
	if err != nil {
		return nil, err
	}
	b, err := readActivity(ctx, pathB)
	if err != nil {
		return nil, err
	}
	c, err := activity.Compare(a, b)
	if err != nil {
		return nil, fmt.Errorf("%s and %s cannot be compared: %w", pathA, pathB, err)
	}
	return c, nil
}

// readActivity reads a report from a file, which may be a pipe with a name, such as bash makes of <(st inspect MODEL --run --text FILE --json).
func readActivity(ctx context.Context, path string) (*activity.Report, error) {
	return textfile.Wait(ctx, func() (*activity.Report, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r, err := activity.ReadReport(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; st inspect MODEL --run --text FILE --json writes one", path, err)
		}
		return r, nil
	})
}
