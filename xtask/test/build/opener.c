// SPDX-License-Identifier: MIT OR Apache-2.0
// Opens a device and prints its path.
#include <fcntl.h>
#include <stdio.h>

int main(void)
{
	const char *path = "/dev/dmaframe0";

	if (open(path, O_RDONLY | O_CLOEXEC) < 0) {
		perror(path);
		return 1;
	}
	printf("C opened %s\n", path);
	return 0;
}
