/*
 * Reads a profile and writes the program that libseccomp makes of it, for
 * comparison. The profile comes in lines:
 *
 *   default ACTION
 *   arch NAME
 *   rule ACTION CALL COUNT {INDEX OPERATOR VALUE VALUE}
 *
 * Actions and operators are libseccomp's numbers. What libseccomp refuses is
 * written to standard error and ends the program with 2.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(int rc, const char *what, const char *which)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s %s: %s\n", what, which, strerror(-rc));
	exit(2);
}

int main(void)
{
	scmp_filter_ctx ctx = NULL;
	char word[64], name[128];
	uint32_t action;

	while (scanf("%63s", word) == 1) {
		if (!strcmp(word, "default")) {
			if (scanf("%" SCNu32, &action) != 1)
				return 1;
			ctx = seccomp_init(action);
			if (!ctx)
				return 1;
		} else if (!strcmp(word, "arch")) {
			if (scanf("%127s", name) != 1)
				return 1;
			int rc = seccomp_arch_add(ctx, seccomp_arch_resolve_name(name));
			if (rc != -EEXIST)
				check(rc, "arch", name);
		} else if (!strcmp(word, "rule")) {
			struct scmp_arg_cmp cmp[6];
			unsigned n, i;

			if (scanf("%" SCNu32 "%127s%u", &action, name, &n) != 3 || n > 6)
				return 1;
			for (i = 0; i < n; i++) {
				unsigned arg, op;

				if (scanf("%u%u%" SCNu64 "%" SCNu64, &arg, &op, &cmp[i].datum_a, &cmp[i].datum_b) != 4)
					return 1;
				cmp[i].arg = arg;
				cmp[i].op = op;
			}
			int nr = seccomp_syscall_resolve_name(name);
			if (nr == __NR_SCMP_ERROR)
				continue; /* newer than this libseccomp */
			check(seccomp_rule_add_array(ctx, action, nr, n, cmp), "rule", name);
		} else {
			return 1;
		}
	}
	check(seccomp_export_bpf(ctx, STDOUT_FILENO), "export", "");
	seccomp_release(ctx);
	return 0;
}
