package engine

import "encoding/binary"

// countCores counts the cores in what Windows' GetLogicalProcessorInformationEx tells of RelationProcessorCore: those of the highest
// efficiency class, which are the fastest, as the others would hold every barrier up; all, if there is one of that class. It is 0 if the records are not
// what they should be.
//
// A record is a SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX of winnt.h: Relationship and Size, uint32 each, and for a core
// PROCESSOR_RELATIONSHIP, of which the first bytes are Flags and EfficiencyClass.
func countCores(records []byte) (cores int) {
	const (
		processorCore = 0
		classAt       = 9
		smallest      = 8 + 24 // up to the group masks
	)
	best, all := byte(0), 0
	for len(records) > 0 {
		if len(records) < smallest {
			return 0
		}
		relation, size := binary.LittleEndian.Uint32(records), binary.LittleEndian.Uint32(records[4:])
		if size < smallest || uint64(size) > uint64(len(records)) {
			return 0
		}
		if class := records[classAt]; relation == processorCore {
			all++
			if class > best {
				best, cores = class, 0
			}
			if class == best {
				cores++
			}
		}
		records = records[size:]
	}
	return notAlone(cores, all)
}
