package main

import (
	"fmt"
	"io"

	"st/runtime"
	"st/runtime/disk"
)

func printResidency(w io.Writer, r *runtime.Residency) {
	switch {
	case !r.Dense:
		printExperts(w, r)
	case r.Streamed:
		fmt.Fprintf(w, "layers     %.1f %% of feed-forward weights found in memory, %s read for a token of prompt or text, %.2f s of waiting for the disk; --memory %dMiB keeps all\n",
			100*r.HitRate, size(int64(r.BytesRead)), r.Wait, r.All>>20+1)
	}
	if r.LargePages != nil {
		copied := ""
		if r.CopiedPages > 0 {
			copied = fmt.Sprintf("; %s of it copied to memory in %.1f s in the background, since reading the file again does not help or is slow", size(r.CopiedPages), r.CopyTime)
		}
		fmt.Fprintf(w, "pages      %.0f %% of the file, as far as it was used, in pages of 2 MiB%s\n", 100**r.LargePages, copied)
	}
	if r.MemoryBudget == 0 {
		return
	}
	how := "past the page cache"
	if !r.DirectReads {
		how = "through the page cache, which its file system needs"
	}
	now := ""
	if r.MemoryNow < r.MemoryBudget {
		now = fmt.Sprintf(", %s of it while other programs need memory", size(r.MemoryNow))
	}
	fmt.Fprintf(w, "budget     %s%s, reads by %s %s%s\n", size(r.MemoryBudget), now, r.ReadMethod, how, readsNote(r.Reads))
}

// readsNote tells how many reads are in flight, and why.
func readsNote(r *runtime.Reads) string {
	if r == nil {
		return ""
	}
	why := map[disk.Source]string{disk.Default: "the default", disk.Measured: "measured now", disk.Remembered: "as measured before"}
	return fmt.Sprintf("; the disk wants %d records in flight (%s)", r.Depth, why[r.Source])
}

// printExperts prints how experts came into memory.
func printExperts(w io.Writer, r *runtime.Residency) {
	fmt.Fprintf(w, "experts    %.1f %% of uses found in memory, %s read for a token of prompt or text, %.2f s of waiting\n", 100*r.HitRate, size(int64(r.BytesRead)), r.Wait)
	if k := r.Known; k != nil {
		fmt.Fprintf(w, "known      %s\n", knownExperts(k))
	}
	if r.Prefetched > 0 {
		fmt.Fprintf(w, "prefetch   %.1f experts a token before their router chose, %.0f %% of them used\n", r.Prefetched, 100*r.Accuracy)
	}
}

// knownExperts tells from where it was known which experts a model uses.
func knownExperts(k *runtime.KnownExperts) string {
	experts := "the experts that " + plural(int(k.Tokens), "token") + " used most, "
	if k.Source == runtime.RecordedExperts {
		return experts + "as recorded in the model's file or beside it"
	}
	return experts + "as remembered of " + plural(int(k.Runs), "earlier run")
}

// printReading prints how computing and the disk went together while tokens were generated.
func printReading(w io.Writer, r *runtime.Residency, x *runtime.Reading) {
	if r.MemoryBudget > 0 {
		pieces := "records"
		if r.ReadMethod == runtime.ReadByUring && !r.Dense {
			pieces = "pieces of records"
		}
		fmt.Fprintf(w, "disk       %.0f %% of the time busy, with %.1f %s in flight; %.1f records and %s read for a generated token, %.1f of %.1f ms waiting\n",
			100*x.Busy, x.QueueDepth, pieces, x.Reads, size(int64(x.Bytes)), x.Wait, x.Time)
	}
	if x.Voluntary+x.Involuntary > 0 {
		fmt.Fprintf(w, "switches   %.0f a generated token by waiting, %.0f by other threads\n", x.Voluntary, x.Involuntary)
	}
}
