// Words of the lists of images, containers, volumes and networks.
export const listsEn = {
  'prune.images': 'Prune images',
  'prune.containers': 'Prune containers',
  'prune.image.title': 'Prune images?',
  'prune.image.about':
    'Removes the [[dangling|dangling]] images that no container has, with the [[layer|layers]] that no other image uses.',
  'prune.image.all': 'those with a name too, unless a container has them',
  'prune.container.title': 'Prune containers?',
  'prune.container.about':
    'Removes all containers that have no process now, with what they wrote into their [[upper|own layers]]. Volumes stay.',
  'prune.done': '{n} removed, {size} freed: {names}',
  'prune.none': 'There was nothing to remove.',
  'asking.line': 'The same with docker',
  'asking.lineOf': 'docker line',

  'tag.open': 'Tag…',
  'tag.title': 'Another name for {name}',
  'tag.about':
    'A name only points to an image: nothing is copied. If another image has the name now, it loses it.',
  'tag.name': 'New name',
  'tag.hint':
    'name:tag in small letters, with a registry or folders before it if you like. Without a tag: latest.',
  'tag.bad': 'No image can be called that: small letters, digits and . _ - between them, then :tag.',
  'tag.moves': '{name} has it now and loses it.',
  'tag.has': 'The image has this name already.',
  'tag.go': 'Tag',
  'tag.names': 'Its names',
  'tag.untag': 'Take the name {name} away',

  'container.restart': 'Restart',
  'container.rename': 'Rename…',
  'container.export': 'Export as tar',
  'container.more': 'More for {name}',
  'rename.title': 'Rename {name}',
  'rename.about': 'Its processes run on; on its networks it is found by the new name.',
  'rename.name': 'New name',
  'rename.hint':
    'Letters, digits, dots, hyphens and underscores, beginning with a letter or digit; two at least.',
  'rename.bad': 'No container can be called that.',
  'rename.taken': 'Another container is called that.',
  'rename.go': 'Rename',
  'remove.about': 'Its [[upper|own layer]] goes with it: what it wrote, and no image or volume has, is lost.',

  'deed.rename.now': 'giving it another name …',
  'deed.rename.done': 'has another name',
  'deed.tag.now': 'giving the image a name …',
  'deed.tag.done': 'the image has one more name',

  'tag.oom': 'out of memory',
  'tag.oom.about': 'It wanted more memory than it may have.',
  'tag.restarts': 'restarted {n}×',
  'fate.label': 'How it fares',
  'fate.oom':
    'Its processes wanted more memory than it may have, and the [[kernel|kernel]]’s OOM killer ended one. Give it more (-m), or find out what takes it.',
  'fate.well': 'It ended by itself with code 0: all went well.',
  'fate.notStarted': 'Code {code}: the command was never executed, since the container could not be made.',
  'fate.notExecutable': 'Code {code}: the command is there and cannot be executed.',
  'fate.notFound': 'Code {code}: there is no such command in the image.',
  'fate.signal':
    'Code {code} is 128 and the number of the signal that ended it: {signal}, sent by somebody or by the kernel.',
  'fate.code': 'It ended by itself with code {code}. What that means, the program decides; 0 would be well.',
  'fate.restarts': 'Its restart policy has started it again {n} {n|time|times} since somebody last did.',
  'fate.waits': 'Its restart policy starts it again after a pause that grows each time.',
  'fate.started': 'started {ago}',
  'fate.finished': 'ended {ago}, after {took}',

  'networks.findable': 'found as',
  'networks.answers': 'answers at',
  'warned.title': 'Made, but to know:',
  'run.group.health': 'Health and logs',
  'run.healthCmd': 'Health check',
  'run.healthHint':
    'A line for a shell in the container: code 0 means well. Empty: the image’s own, if it has one.',
  'run.healthInterval': 'Every',
  'run.healthTimeout': 'Each at most',
  'run.healthStartPeriod': 'Failures don’t count for',
  'run.healthRetries': 'Failures until unhealthy',
  'run.noHealth': 'no check, even if the image has one',
  'run.logDriver': 'Log',
  'run.logOpts': 'Log options',
  'run.shm': 'Shared memory',
  'run.stopSignal': 'Signal that asks it to end',
  'run.stopTimeout': 'Seconds until it is killed',
  'run.aliases': 'Further names in the network',
  'run.aliasesHint': 'Only in a network of your own: name one.',
  'run.hosts': 'Entries of /etc/hosts',
  'run.securityOpts': 'Security',

  'hint.damaged':
    'Save or fetch it once more, `docker save -o image.tar NAME`, and upload that. `layerlab verify FILE` names each place that is wrong.',
  'hint.form':
    'Read is what `docker save`, `docker export` and `skopeo copy … oci-archive:` write, as a tar or within gzip, zstd, xz or bzip2.',
  'hint.limit': 'Whoever runs the server can allow more: `serve {flag}`.',
  'hint.escapes-root': 'No engine writes such an archive. Do not use it, and ask whoever it came from.',
  'hint.too-many-entries':
    'The server can read more if it is started for it: serve --read native reads 5 million by itself; in the sandbox, serve --limit-entries N with at least as many as the image has.',
  'hint.sandbox-memory':
    'Whoever runs the server can give the sandbox more: serve --limit-memory SIZE. With serve --read native the server reads without a sandbox, and without this limit.',
  'hint.sandbox-time': 'Whoever runs the server can give it more time: serve --limit-time DURATION.',
  'code.container-removes-itself':
    '{container} removes itself when it ends (--rm), so it cannot be restarted: run it again instead.',
  'code.privileged-inside':
    '--privileged gives it all capabilities inside its own user namespace, never the host’s.',
  'code.bind-nobody':
    '{path} belongs to nobody inside: its root reads there what everybody may read, and writes what everybody may write. A volume would be its own.',
} as const;
