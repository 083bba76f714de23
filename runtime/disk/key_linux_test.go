package disk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A partition is a part of its disk, which model and serial number tell.
func TestBlockDevice(t *testing.T) {
	sys := t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(sys, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("devices/pci/nvme0n1/device/model", "A model   \n")
	put("devices/pci/nvme0n1/device/serial", "S123\n")
	put("devices/pci/nvme0n1/queue/rotational", "0\n")
	put("devices/pci/nvme0n1/nvme0n1p2/partition", "2\n")
	if err := os.MkdirAll(filepath.Join(sys, "dev/block"), 0o755); err != nil {
		t.Fatal(err)
	}
	for number, dir := range map[string]string{"259:0": "nvme0n1", "259:2": "nvme0n1/nvme0n1p2"} {
		if err := os.Symlink("../../devices/pci/"+dir, filepath.Join(sys, "dev/block", number)); err != nil {
			t.Fatal(err)
		}
		want := ` disk="nvme0n1" device/model="A model" device/serial="S123" queue/rotational="0"`
		if got := blockDevice(sys, number); got != want {
			t.Errorf("%s is %s, want %s", number, got, want)
		}
	}
	if got := blockDevice(sys, "0:45"); got != "" {
		t.Errorf("a device that there is not is %q", got)
	}
}

func TestMount(t *testing.T) {
	const mounts = `22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:45 / /mnt/share rw,relatime - nfs4 server:/models rw
31 22 0:50 / /home rw - btrfs /dev/sdb1 rw
32 31 0:50 / /home/models rw - btrfs /dev/sdb1 rw,subvol=/models
a line that is none
`
	for _, tt := range []struct{ number, path, want string }{
		{"0:45", "/mnt/share/4b.stm", `type=nfs4 source="server:/models"`},
		{"0:51", "/home/me/4b.stm", `mount="/home" type=btrfs`}, // btrfs gives every subvolume a number of its own
		{"0:51", "/home/models/4b.stm", `mount="/home/models" type=btrfs`},
		{"0:99", "/homes", `mount="/" type=ext4`},
	} {
		if got := mount(strings.NewReader(mounts), tt.number, tt.path); !strings.Contains(got, tt.want) {
			t.Errorf("%s, %s: %q, want %s", tt.number, tt.path, got, tt.want)
		}
	}
}
