//go:build !amd64 || noasm

package kernel

// There are no kernels for lanes.

func hasLanes() bool { return false }

func laneBlocks() int { return 8 }

func packLane(to []byte, x *vector) { packLaneGeneric(to, x, laneBlocks()) }

func dotsLanes(dots []float32, up *Matrix, masks *[chunkRows]uint64, lanes, _ []byte) {
	dotsLanesGeneric(dots, up, masks, lanes, laneBlocks())
}
