package server

import (
	"cmp"
	"fmt"
	"slices"

	"st/runtime"
)

// A bound that somebody named may be too small for a model, whatever the others do.

// tooSmall returns an error that wraps [runtime.ErrMemory] if the bound is too small for a model even when it is the only one. What the system allows may
// change: it is not judged.
func (m *models) tooSmall(sv *served) error {
	if m.opts.Memory == 0 || sv.Least <= m.total {
		return nil
	}
	return fmt.Errorf("%s: %w: %s; this model needs %s", sv.Path, runtime.ErrMemory, runtime.FormatBytes(m.total), runtime.FormatBytes(sv.Least))
}

// checkMemory returns an error if the bound is too small for every model, and has the log warn of those for which it is.
func (m *models) checkMemory(all []*served) error {
	if slices.ContainsFunc(all, func(sv *served) bool { return m.tooSmall(sv) == nil }) || len(all) == 0 {
		m.warn(all)
		return nil
	}
	if len(all) == 1 {
		return m.tooSmall(all[0])
	}
	least := slices.MinFunc(all, func(a, b *served) int { return cmp.Compare(a.Least, b.Least) })
	return fmt.Errorf("%w for any of the models: %s; %s needs the least, %s", runtime.ErrMemory, runtime.FormatBytes(m.total), least.Name,
		runtime.FormatBytes(least.Least))
}

// warn has the log tell of the models for which the bound is too small, or may be.
func (m *models) warn(all []*served) {
	for _, sv := range all {
		if m.opts.Memory > 0 && m.total < sv.Least {
			m.opts.Logger.Warn("the memory is too small for a model", "model", sv.Name, "memory", runtime.FormatBytes(m.total), "needed", runtime.FormatBytes(sv.Least))
		}
	}
}
