// The second application, in C++: adds some orders, and reports: report [ORDERS].
#include "orders.h"

#include <iostream>
#include <string>

int main(int argc, char **argv)
{
    int orders = argc > 1 ? std::stoi(argv[1]) : 10;
    for (int i = 0; i < orders; i++) {
        std::cout << "C++: order " << orders_add(100) << std::endl;
    }
    std::uint64_t count = 0, cents = 0;
    if (orders_total(&count, &cents) != 0) {
        std::cerr << "report: " << orders_trouble() << std::endl;
        return 1;
    }
    std::cout << "total: " << count << " orders, " << cents << " cents, " << orders_calls() << " calls, "
              << orders_repairs() << " repairs" << std::endl;
    return std::cin.get() == EOF ? 0 : 1;
}
