"""What holds of all memory that is used again."""

import threading


def check_never_shared(lend, rounds):
    """Four threads that borrow memory in turn never see each other's numbers."""
    wrong = []

    def work(number):
        for _ in range(rounds):
            memory = lend()
            memory[:] = number
            if not (memory == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
