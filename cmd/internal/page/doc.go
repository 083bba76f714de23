// Package page writes a report as one HTML page that needs nothing else: no network, no other file. It is light or dark as the
// reader's system is.
//
//	file, err := report.Read(ctx, r, report.Parts{Tensors: true, Layers: true, Experts: true, Layer: -1}, report.Options{})
//	err = page.File(file, nil).Write(w) // with an activity.Report: with what the experts did on a text
//
// A [Page] is tiles and sections of text, pictures and tables, which a click on a heading sorts; its template is page.html. file.go and
// activity.go say what a page of a model shows. Package chart draws the pictures.
package page
