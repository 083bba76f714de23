// Package calibrate runs a text through a model and measures which weights count most: what quantization needs to know of the model's
// inputs. Package convert/calibration says what is measured, and reads and writes it.
//
//	tokens, err := m.Encode(text)
//	stats, err := calibrate.Run(ctx, m, tokens, calibrate.Options{Window: 512, Covariance: true})
//	err = stats.Write(file)
//
// [MemoryBytes] says beforehand what that takes besides the model. Package runtime/selfcal calls it with a text that the model
// writes itself.
package calibrate
