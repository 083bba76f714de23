//go:build !amd64 || noasm

package kernel

import "st/quant"

// There are no kernels for lanes.

func hasLanes(quant.Type) bool { return false }

func laneBlocks() int { return 8 }

func packLane(to []byte, x *vector, offset int32) { packLaneGeneric(to, x, laneBlocks(), offset) }

func dotsLanes(dots []float32, up *Matrix, masks *[chunkRows]uint64, lanes, _ []byte) {
	dotsLanesGeneric(dots, up, masks, lanes, laneBlocks())
}
