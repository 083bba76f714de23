package convert

// Calibration tells how much the columns of a model's matrices count.
type Calibration struct {
	// Name is recorded in the file that is made with it.
	Name string
}

func ReadCalibration(path string) (*Calibration, error) { return nil, nil }
