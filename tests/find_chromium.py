"""Before the tests: say which Chromium the browser tests will drive, and install Debian's where that is allowed."""

import os
import platform
import shutil
import subprocess
import sys

from labelmend_app.benchmarks.review import find_chromium


def may_install() -> bool:
    """Only root on Debian or Ubuntu may, and nobody else is asked for a password."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    release = platform.freedesktop_os_release()
    return "debian" in (release.get("ID"), *release.get("ID_LIKE", "").split())


def main() -> None:
    if find_chromium() is None and may_install():
        print("No Chromium here: installing Debian's for the browser tests.", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            done = subprocess.run(["apt-get", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
            if done.returncode:
                break
    found = find_chromium()
    print(f"Browser tests drive {found}." if found else "No Chromium: the browser tests are skipped.", flush=True)


if __name__ == "__main__":
    main()
