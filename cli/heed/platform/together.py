"""Blocking jobs side by side."""

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def together(*jobs: Callable[[], None]) -> None:
    """Run the jobs in threads until all are done or one fails; its error is raised at once.

    On an error, or when the caller is interrupted, threads still at work are not waited for.
    """
    pool = ThreadPoolExecutor(max(1, len(jobs)))
    try:
        futures = [pool.submit(job) for job in jobs]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
