package disk

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// device returns the serial number of a file's volume.
func device(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return "", &os.PathError{Op: "identify the volume of", Path: path, Err: err}
	}
	return fmt.Sprintf("volume=%08x", info.VolumeSerialNumber), nil
}
