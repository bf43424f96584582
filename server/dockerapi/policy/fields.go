package policy

// configFields lists what is honoured of container.Config. What is not in the
// list is refused where it is set.
func configFields() map[string]verdict {
	yes := verdict{honoured: true}
	return map[string]verdict{
		"Hostname":   yes,
		"User":       yes,
		"Tty":        yes,
		"Env":        yes,
		"Cmd":        yes,
		"Image":      yes,
		"WorkingDir": yes,
		"Entrypoint": yes,
		"Labels":     yes,
		// Streams: attach asks for each again, start alone for none.
		"AttachStdin":  yes,
		"AttachStdout": yes,
		"AttachStderr": yes,
		"OpenStdin":    yes,
		"StdinOnce":    yes,
		"StopSignal":   yes,
		"StopTimeout":  yes,
		// A container has no network but its own loopback.
		"NetworkDisabled": yes,
		// What an image's documentation says of itself, and does nothing.
		"ExposedPorts": yes,
		"OnBuild":      yes,
		"Shell":        yes,
	}
}

// hostFields is the same for container.HostConfig.
func hostFields() map[string]verdict {
	yes := verdict{honoured: true}
	plain := func(values ...any) verdict { return verdict{defaults: values} }
	return map[string]verdict{
		"AutoRemove":  yes,
		"ConsoleSize": yes,
		// The client writes that file itself.
		"ContainerIDFile": yes,
		"LogConfig":       plain("{json-file map[]}"),
		"RestartPolicy":   plain("{no 0}"),
		// No way out to the network exists yet, so that these say what happens.
		"NetworkMode":  plain("default", "none", "bridge"),
		"IpcMode":      plain("private"),
		"CgroupnsMode": plain("private"),
		"Isolation":    plain("default"),
		"Runtime":      plain("layerlab"),
		// -1 is what command lines before 20.10 send for "as the host has it".
		"MemorySwappiness": plain(-1),
	}
}
