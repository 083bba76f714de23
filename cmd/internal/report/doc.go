// Package report tells what is in models, as data: what st inspect and st diff print with --json. The names of JSON fields are a
// contract with scripts.
//
//	r, err := format.Open("4b.stm")
//	file, err := report.Read(ctx, r, report.Parts{Layers: true, Layer: -1}, report.Options{})
//	fmt.Println(file.Parameters.Total, file.Layers[0].Statistics.Attention.RMS)
//
// [File] is about an .stm file, with [Verification] and [CachePlan] if they are asked for; [Checkpoint] is about weights in other
// formats, from their headers; [Diff] is about two .stm files. What experts do on a text is in package runtime/activity. Packages
// tables and page show reports to a person.
package report
